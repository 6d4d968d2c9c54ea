/* base64.h - RFC 4648 text to bytes. */
#ifndef TP_BASE64_H
#define TP_BASE64_H

#include "base/arena.h"

/* Decodes standard or URL-safe base64, padding optional, ASCII white space skipped; a leading
 * "data:<type>;base64," is taken off. *out lives in `arena`. `where` starts messages, which name
 * the offending byte. Empty data fails. */
bool tp_base64_decode(const uint8_t **out, size_t *n_out, const char *text, size_t n_bytes,
                      const char *where, struct tp_arena *arena, struct tp_err *err) TP_MUST_USE;

/* Appends bytes as standard base64, padded. */
struct tp_buf;
void tp_base64_write(struct tp_buf *b, const void *bytes, size_t n_bytes);

#endif
