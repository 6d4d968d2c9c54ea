/* tls.h - the certificate that the service shows, with its key; both doors show the same.
 *
 * TLS 1.2 and 1.3. Who connects gets what was read last; connections that are there keep theirs. */
#ifndef TP_TLS_H
#define TP_TLS_H

#include "base/err.h"

struct MHD_OptionItem;
struct tp_tls;

/* Reads both files (PEM; the certificate first, then those that lead from it to a root), which are
 * borrowed names. With both NULL, *out is NULL: no TLS. Messages name the flag and the file. One
 * that has expired is shown all the same, and the log says so. */
bool tp_tls_open(struct tp_tls **out, const char *cert_file, const char *key_file,
                 struct tp_err *err) TP_MUST_USE;

/* Reads them again; where they are bad the old pair stays. NULL is fine. From any thread. */
bool tp_tls_reload(struct tp_tls *t, struct tp_err *err) TP_MUST_USE;

/* What libmicrohttpd is to be started with, beside MHD_USE_TLS; NULL: nothing. One `t` in a process
 * at a time: GnuTLS asks for the certificate without saying whom. */
const struct MHD_OptionItem *tp_tls_options(struct tp_tls *t);

void tp_tls_free(struct tp_tls *t);              /* no server may use it any more; NULL is fine */

/* Version of the TLS library in use. */
const char *tp_tls_library(void);

#endif
