/* keys.h - the keys that clients show: "Authorization: Bearer KEY". */
#ifndef TP_KEYS_H
#define TP_KEYS_H

#include "base/err.h"

enum { TP_KEY_LEAST = 16, TP_KEY_MOST = 256, TP_KEY_NAME_BYTES = 64 };

struct tp_keys;

/* The key `one` (named "api-key") and those of `file`, a line each: "name:key", or "key" alone,
 * whose name is then "key-<line>"; empty lines and #comments are skipped. Either may be NULL; with
 * both NULL, *out is NULL: no key is asked for. Messages name file and line, never a key. */
bool tp_keys_open(struct tp_keys **out, const char *one, const char *file,
                  struct tp_err *err) TP_MUST_USE;

/* Reads the file again; when it is bad the old keys stay. NULL is fine. From any thread. */
bool tp_keys_reload(struct tp_keys *k, struct tp_err *err) TP_MUST_USE;

/* Whether the value of an Authorization header shows one of the keys; fills its name. The time this
 * takes does not depend on what the keys hold. */
bool tp_keys_check(struct tp_keys *k, const char *authorization, char name[TP_KEY_NAME_BYTES]);

void tp_keys_free(struct tp_keys *k);            /* NULL is fine */

#endif
