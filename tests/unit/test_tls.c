/* test_tls.c - the certificate that is shown: what files may hold, a reload good and bad, and
 * handshakes before and after. */
#include "temp_dir.h"

#include <gnutls/abstract.h>
#include <gnutls/x509.h>
#include <microhttpd.h>
#include <pthread.h>
#include <sys/socket.h>
#include <time.h>

#include "http/tls.h"
#include "http/tls_client.h"

enum { TIMEOUT_MS = 20000, DAY = 86400 };

static struct tp_err err;

/* NAME.key, and NAME.pem that it has signed itself; the certificate, to compare with. */
static gnutls_datum_t certify(const char *name, gnutls_pk_algorithm_t kind, unsigned bits)
{
    gnutls_x509_privkey_t key;
    gnutls_x509_crt_t cert;
    gnutls_datum_t text, der;
    char file[64];
    gnutls_x509_privkey_init(&key);
    assert_int_equal(gnutls_x509_privkey_generate(key, kind, bits, 0), 0);
    assert_int_equal(gnutls_x509_privkey_export2_pkcs8(key, GNUTLS_X509_FMT_PEM, NULL,
                                                       GNUTLS_PKCS_PLAIN, &text), 0);
    snprintf(file, sizeof file, "%s.key", name);
    temp_write(file, text.data, text.size);
    gnutls_free(text.data);
    gnutls_x509_crt_init(&cert);
    gnutls_x509_crt_set_version(cert, 3);
    gnutls_x509_crt_set_serial(cert, "\1", 1);
    gnutls_x509_crt_set_activation_time(cert, time(NULL) - DAY);
    gnutls_x509_crt_set_expiration_time(cert, time(NULL) + DAY);
    gnutls_x509_crt_set_dn_by_oid(cert, GNUTLS_OID_X520_COMMON_NAME, 0, name,
                                  (unsigned)strlen(name));
    gnutls_x509_crt_set_key(cert, key);
    const gnutls_digest_algorithm_t digest =
        kind == GNUTLS_PK_EDDSA_ED25519 ? GNUTLS_DIG_SHA512 : GNUTLS_DIG_SHA256;
    assert_int_equal(gnutls_x509_crt_sign2(cert, cert, key, digest, 0), 0);
    assert_int_equal(gnutls_x509_crt_export2(cert, GNUTLS_X509_FMT_PEM, &text), 0);
    assert_int_equal(gnutls_x509_crt_export2(cert, GNUTLS_X509_FMT_DER, &der), 0);
    snprintf(file, sizeof file, "%s.pem", name);
    temp_write(file, text.data, text.size);
    gnutls_free(text.data);
    gnutls_x509_crt_deinit(cert);
    gnutls_x509_privkey_deinit(key);
    return der;
}

static gnutls_datum_t certify_ec(const char *name)
{
    return certify(name, GNUTLS_PK_ECDSA, GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1));
}

static void copy(const char *from, const char *to)
{
    char bytes[8192];
    FILE *f = fopen(TEMP(from), "rb");
    assert_non_null(f);
    const size_t n = fread(bytes, 1, sizeof bytes, f);
    fclose(f);
    temp_write(to, bytes, n);
}

/* ---- a connection, whose other end is what libmicrohttpd would do ---------------------------- */

struct connection {
    int ours, theirs;                /* the service's, the client's */
    pthread_t thread;
    struct tp_tls *tls;
    struct tp_tls_client *client;
    gnutls_session_t session;
    gnutls_certificate_credentials_t credentials;
    gnutls_priority_t priorities;
};

static void *shake(void *arg)
{
    struct connection *c = arg;
    gnutls_init(&c->session, GNUTLS_SERVER | GNUTLS_NO_SIGNAL);
    gnutls_certificate_allocate_credentials(&c->credentials);
    for (const struct MHD_OptionItem *o = tp_tls_options(c->tls); o->option; o++) {
        if (o->option == MHD_OPTION_HTTPS_PRIORITIES)
            gnutls_priority_init(&c->priorities, o->ptr_value, NULL);
        else if (o->option == MHD_OPTION_HTTPS_CERT_CALLBACK2)
            gnutls_certificate_set_retrieve_function3(
                c->credentials, (gnutls_certificate_retrieve_function3 *)o->ptr_value);
    }
    gnutls_priority_set(c->session, c->priorities);
    gnutls_credentials_set(c->session, GNUTLS_CRD_CERTIFICATE, c->credentials);
    gnutls_transport_set_int(c->session, c->ours);
    gnutls_handshake_set_timeout(c->session, TIMEOUT_MS);
    return gnutls_handshake(c->session) ? "no handshake" : NULL;
}

static struct connection *join(struct tp_tls *tls)
{
    struct connection *c = calloc(1, sizeof *c);
    const struct timeval patience = { TIMEOUT_MS / 1000, 0 };
    int two[2];
    void *why;
    assert_non_null(c);
    assert_return_code(socketpair(AF_UNIX, SOCK_STREAM, 0, two), 0);
    c->tls = tls;
    c->ours = two[0];
    c->theirs = two[1];
    for (int i = 0; i < 2; i++)
        setsockopt(two[i], SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    pthread_create(&c->thread, NULL, shake, c);
    if (!tp_tls_client_open(&c->client, c->theirs, TIMEOUT_MS, &err)) fail_msg("%s", err.message);
    pthread_join(c->thread, &why);
    assert_null(why);
    return c;
}

static void is_alive(struct connection *c)
{
    char got[4];
    assert_int_equal(tp_tls_client_send(c->client, "ping", 4), 4);
    assert_int_equal(gnutls_record_recv(c->session, got, 4), 4);
    assert_int_equal(gnutls_record_send(c->session, got, 4), 4);
    assert_int_equal(tp_tls_client_recv(c->client, got, 4), 4);
    assert_memory_equal(got, "ping", 4);
}

static void was_shown(const struct connection *c, const gnutls_datum_t *cert)
{
    const gnutls_datum_t *ours = gnutls_certificate_get_ours(c->session);
    assert_non_null(ours);
    assert_int_equal(ours->size, cert->size);
    assert_memory_equal(ours->data, cert->data, cert->size);
}

static void leave(struct connection *c)
{
    tp_tls_client_close(c->client);
    gnutls_deinit(c->session);
    gnutls_certificate_free_credentials(c->credentials);
    gnutls_priority_deinit(c->priorities);
    close(c->ours);
    close(c->theirs);
    free(c);
}

/* ---- tests ----------------------------------------------------------------------------------- */

static void shows_every_kind(void **state)
{
    static const struct { gnutls_pk_algorithm_t kind; unsigned bits; } kinds[] = {
        { GNUTLS_PK_RSA, 2048 }, { GNUTLS_PK_EDDSA_ED25519, 256 },
        { GNUTLS_PK_ECDSA, GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP384R1) },
    };
    (void)state;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        gnutls_datum_t cert = certify("a", kinds[i].kind, kinds[i].bits);
        struct tp_tls *t;
        assert_true(tp_tls_open(&t, TEMP("a.pem"), TEMP("a.key"), &err));
        struct connection *c = join(t);
        is_alive(c);
        was_shown(c, &cert);
        leave(c);
        tp_tls_free(t);
        gnutls_free(cert.data);
    }
}

static void reloads(void **state)
{
    gnutls_datum_t a = certify_ec("a"), b = certify_ec("b");
    struct temp_path cert = temp_path("now.pem"), key = temp_path("now.key");
    struct tp_tls *t;
    (void)state;
    copy("a.pem", "now.pem");
    copy("a.key", "now.key");
    assert_true(tp_tls_open(&t, cert.text, key.text, &err));
    struct connection *early = join(t);
    copy("b.pem", "now.pem");
    assert_false(tp_tls_reload(t, &err));        /* half of it */
    assert_non_null(strstr(err.message, "does not belong to"));
    err = (struct tp_err){ 0 };
    struct connection *still = join(t);
    copy("b.key", "now.key");
    assert_true(tp_tls_reload(t, &err));
    struct connection *late = join(t);
    was_shown(early, &a);
    was_shown(still, &a);
    was_shown(late, &b);
    tp_tls_free(t);                              /* nothing of it is theirs */
    is_alive(early);
    is_alive(still);
    is_alive(late);
    leave(early);
    leave(still);
    leave(late);
    gnutls_free(a.data);
    gnutls_free(b.data);
    assert_true(tp_tls_reload(NULL, &err));
    tp_tls_free(NULL);
}

static void refused(const char *cert, const char *key, const char *part)
{
    struct temp_path cert_file = temp_path(cert ? cert : ""), key_file = temp_path(key ? key : "");
    struct tp_tls *t;
    err = (struct tp_err){ 0 };
    if (tp_tls_open(&t, cert ? cert_file.text : NULL, key ? key_file.text : NULL, &err))
        fail_msg("%s and %s were accepted", cert, key);
    assert_null(t);
    if (!strstr(err.message, part)) fail_msg("'%s' lacks '%s'", err.message, part);
}

static void refuses_files(void **state)
{
    gnutls_datum_t a = certify_ec("a"), b = certify_ec("b");
    struct tp_tls *t;
    (void)state;
    temp_text("empty", "");
    temp_text("broken.pem", "-----BEGIN CERTIFICATE-----\n????\n-----END CERTIFICATE-----\n");
    temp_text("broken.key", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n");
    temp_folder("folder");
    refused("a.pem", NULL, "--tls-key is missing");
    refused(NULL, "a.key", "--tls-cert is missing");
    refused("none", "a.key", "none: No such file");
    refused("a.pem", "none", "none: No such file");
    refused("folder", "a.key", "folder: Is a directory");
    refused("empty", "a.key", "empty: no certificate in PEM");
    refused("a.key", "a.key", "a.key: no certificate in PEM");
    refused("broken.pem", "a.key", "broken.pem: no certificate in PEM");
    refused("a.pem", "empty", "empty: no private key in PEM");
    refused("a.pem", "a.pem", "a.pem: no private key in PEM");
    refused("a.pem", "broken.key", "broken.key: no private key in PEM");
    refused("a.pem", "b.key", "b.key: does not belong to the (first) certificate of");
    assert_true(tp_tls_open(&t, NULL, NULL, &err));
    assert_null(t);
    gnutls_free(a.data);
    gnutls_free(b.data);
}

static void options_without(void **state)
{
    (void)state;
    assert_int_equal(tp_tls_options(NULL)->option, MHD_OPTION_END);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEMP_TEST(shows_every_kind), TEMP_TEST(reloads), TEMP_TEST(refuses_files),
        cmocka_unit_test(options_without),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
