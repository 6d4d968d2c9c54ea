/* tls_client.c - the other end of a TLS connection, as far as `tidepool health` needs one. */
#include "http/tls_client.h"

#include <gnutls/gnutls.h>
#include <stdlib.h>

struct tp_tls_client {
    gnutls_session_t session;
    gnutls_certificate_credentials_t nothing;    /* no trust, no certificate of one's own */
};

/* Without tickets, since one that arrives would look like a timeout to who waits for an answer. */
static int setup(struct tp_tls_client *c, int fd, int timeout_ms)
{
    int error = gnutls_init(&c->session, GNUTLS_CLIENT | GNUTLS_NO_SIGNAL | GNUTLS_NO_TICKETS);
    if (!error) error = gnutls_certificate_allocate_credentials(&c->nothing);
    if (!error) error = gnutls_credentials_set(c->session, GNUTLS_CRD_CERTIFICATE, c->nothing);
    if (!error) error = gnutls_set_default_priority(c->session);
    if (error) return error;
    gnutls_transport_set_int(c->session, fd);
    gnutls_handshake_set_timeout(c->session, (unsigned)timeout_ms);
    return 0;
}

bool tp_tls_client_open(struct tp_tls_client **out, int fd, int timeout_ms, struct tp_err *err)
{
    struct tp_tls_client *c = *out = calloc(1, sizeof *c);
    if (!c) return tp_fail(err, TP_NO_MEMORY, "out of memory");
    int error = setup(c, fd, timeout_ms);
    if (!error)
        do error = gnutls_handshake(c->session);
        while (error == GNUTLS_E_INTERRUPTED || error == GNUTLS_E_WARNING_ALERT_RECEIVED);
    if (!error) return true;
    tp_tls_client_close(c);
    *out = NULL;
    return tp_fail(err, TP_IO, "no TLS there: %s", gnutls_strerror(error));
}

ssize_t tp_tls_client_send(struct tp_tls_client *c, const void *bytes, size_t n)
{
    return gnutls_record_send(c->session, bytes, n);
}

ssize_t tp_tls_client_recv(struct tp_tls_client *c, void *bytes, size_t n)
{
    return gnutls_record_recv(c->session, bytes, n);
}

void tp_tls_client_close(struct tp_tls_client *c)
{
    if (!c) return;
    if (c->session) gnutls_deinit(c->session);
    if (c->nothing) gnutls_certificate_free_credentials(c->nothing);
    free(c);
}
