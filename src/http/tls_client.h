/* tls_client.h - the other end of a TLS connection, as far as `tidepool health` needs one.
 *
 * Who answers is not verified: a probe sends no secret, and the certificate of a service seldom
 * names the 127.0.0.1 at which its own machine asks it. */
#ifndef TP_TLS_CLIENT_H
#define TP_TLS_CLIENT_H

#include <sys/types.h>

#include "base/err.h"

struct tp_tls_client;

/* Shakes hands over a connected socket, which stays the caller's, as do its timeouts. */
bool tp_tls_client_open(struct tp_tls_client **out, int fd, int timeout_ms,
                        struct tp_err *err) TP_MUST_USE;

/* As send() and recv(): bytes, 0 at the end, negative for an error. */
ssize_t tp_tls_client_send(struct tp_tls_client *c, const void *bytes, size_t n);
ssize_t tp_tls_client_recv(struct tp_tls_client *c, void *bytes, size_t n);

void tp_tls_client_close(struct tp_tls_client *c);           /* NULL is fine */

#endif
