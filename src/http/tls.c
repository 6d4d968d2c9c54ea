/* tls.c - the certificate that the service shows, with its key. */
#include "http/tls.h"

#include <errno.h>
#include <fcntl.h>
#include <gnutls/abstract.h>
#include <gnutls/x509.h>
#include <microhttpd.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "formats/file.h"

enum { MOST_BYTES = 1 << 20, ID_BYTES = 32 };

/* What is recorded today cannot be read with a key that is stolen tomorrow (ECDHE), and nothing is
 * encrypted that is not sealed (AEAD). */
#define PRIORITIES \
    "SECURE128:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2:-KX-ALL:+ECDHE-ECDSA:+ECDHE-RSA:" \
    "-CIPHER-ALL:+AES-128-GCM:+CHACHA20-POLY1305:+AES-256-GCM:-MAC-ALL:+AEAD"

struct pair {
    gnutls_x509_crt_t *chain;        /* the service's own first */
    unsigned n;
    gnutls_x509_privkey_t key;
};

struct tp_tls {
    const char *cert_file, *key_file;
    struct pair pair;
    pthread_mutex_t lock;            /* of `pair`, which a reload replaces */
};

/* ---- files ----------------------------------------------------------------------------------- */

static void free_pair(struct pair *p)
{
    for (unsigned i = 0; i < p->n; i++) gnutls_x509_crt_deinit(p->chain[i]);
    gnutls_free(p->chain);
    gnutls_x509_privkey_deinit(p->key);
    *p = (struct pair){ 0 };
}

/* free_text() it. */
static bool read_text(gnutls_datum_t *text, const char *flag, const char *file, struct tp_err *err)
{
    void *bytes;
    size_t n;
    const int fd = open(file, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return tp_fail(err, TP_IO, "%s %s: %s", flag, file, strerror(errno));
    const bool ok = tp_file_read_fd(fd, file, MOST_BYTES, &bytes, &n, err);
    close(fd);
    if (!ok) return tp_fail_in(err, "%s", flag);
    *text = (gnutls_datum_t){ bytes, (unsigned)n };
    return true;
}

static void free_text(gnutls_datum_t *text)
{
    explicit_bzero(text->data, text->size);
    free(text->data);
}

static bool read_chain(struct pair *p, const char *file, struct tp_err *err)
{
    gnutls_datum_t text;
    if (!read_text(&text, "--tls-cert", file, err)) return false;
    const int error = gnutls_x509_crt_list_import2(&p->chain, &p->n, &text, GNUTLS_X509_FMT_PEM, 0);
    free_text(&text);
    return error >= 0 ||
           tp_fail(err, TP_INVALID_ARGUMENT, "--tls-cert %s: no certificate in PEM, which begins "
                   "with -----BEGIN CERTIFICATE----- (%s)", file, gnutls_strerror(error));
}

static bool read_key(struct pair *p, const char *file, struct tp_err *err)
{
    gnutls_datum_t text;
    if (!read_text(&text, "--tls-key", file, err)) return false;
    int error = gnutls_x509_privkey_init(&p->key);
    if (!error)
        error = gnutls_x509_privkey_import2(p->key, &text, GNUTLS_X509_FMT_PEM, NULL, 0);
    free_text(&text);
    if (error == GNUTLS_E_DECRYPTION_FAILED)
        return tp_fail(err, TP_INVALID_ARGUMENT, "--tls-key %s: is encrypted; expected a key "
                       "without a passphrase", file);
    return error >= 0 ||
           tp_fail(err, TP_INVALID_ARGUMENT, "--tls-key %s: no private key in PEM, which begins "
                   "with -----BEGIN PRIVATE KEY----- (%s)", file, gnutls_strerror(error));
}

static bool is_key_of_first(const struct pair *p)
{
    unsigned char of_cert[ID_BYTES], of_key[ID_BYTES];
    size_t n_cert = sizeof of_cert, n_key = sizeof of_key;
    const unsigned how = GNUTLS_KEYID_USE_SHA256;
    return !gnutls_x509_crt_get_key_id(p->chain[0], how, of_cert, &n_cert) &&
           !gnutls_x509_privkey_get_key_id(p->key, how, of_key, &n_key) &&
           n_cert == n_key && !memcmp(of_cert, of_key, n_key);
}

static void log_dates(const char *file, gnutls_x509_crt_t cert)
{
    const time_t now = time(NULL), from = gnutls_x509_crt_get_activation_time(cert),
                 until = gnutls_x509_crt_get_expiration_time(cert);
    char text[32] = "?";
    struct tm tm;
    if (gmtime_r(now < from ? &from : &until, &tm))
        strftime(text, sizeof text, "%Y-%m-%d %H:%M UTC", &tm);
    if (now < from)
        tp_log(TP_LOG_WARN, "--tls-cert %s: is not valid before %s", file, text);
    else if (now > until)
        tp_log(TP_LOG_WARN, "--tls-cert %s: has expired, %s", file, text);
    else tp_log(TP_LOG_INFO, "TLS with %s, valid until %s", file, text);
}

static bool read_pair(struct pair *p, const struct tp_tls *t, struct tp_err *err)
{
    bool ok = read_chain(p, t->cert_file, err) && read_key(p, t->key_file, err);
    if (ok && !is_key_of_first(p))
        ok = tp_fail(err, TP_INVALID_ARGUMENT, "--tls-key %s: does not belong to the (first) "
                     "certificate of --tls-cert %s", t->key_file, t->cert_file);
    if (ok) log_dates(t->cert_file, p->chain[0]);
    else free_pair(p);
    return ok;
}

/* ---- handshakes ------------------------------------------------------------------------------ */

static struct tp_tls *_Atomic serving;           /* GnuTLS passes nothing of ours to show_pair() */

struct shown {
    gnutls_pcert_st *chain;
    unsigned n;
    gnutls_privkey_t key;
};

static int copy_pair(struct shown *to, const struct pair *p)
{
    int error = gnutls_privkey_init(&to->key);
    to->chain = gnutls_calloc(p->n, sizeof *to->chain);
    if (!error && !to->chain) error = GNUTLS_E_MEMORY_ERROR;
    if (!error) error = gnutls_privkey_import_x509(to->key, p->key, GNUTLS_PRIVKEY_IMPORT_COPY);
    for (; !error && to->n < p->n; to->n += !error)
        error = gnutls_pcert_import_x509(&to->chain[to->n], p->chain[to->n], 0);
    if (!error) return 0;
    for (unsigned i = 0; i < to->n; i++) gnutls_pcert_deinit(&to->chain[i]);
    gnutls_free(to->chain);
    gnutls_privkey_deinit(to->key);
    return error;
}

/* Each connection gets copies, which are its own to free, so that a reload need not wait for it. */
static int show_pair(gnutls_session_t session, const struct gnutls_cert_retr_st *info,
                     gnutls_pcert_st **chain, unsigned *n, gnutls_ocsp_data_st **ocsp,
                     unsigned *n_ocsp, gnutls_privkey_t *key, unsigned *flags)
{
    struct tp_tls *t = atomic_load(&serving);
    struct shown shown = { 0 };
    (void)session, (void)info, (void)ocsp, (void)n_ocsp;
    pthread_mutex_lock(&t->lock);
    const int error = copy_pair(&shown, &t->pair);
    pthread_mutex_unlock(&t->lock);
    if (error) return -1;
    *chain = shown.chain;
    *n = shown.n;
    *key = shown.key;
    *flags = GNUTLS_CERT_RETR_DEINIT_ALL;
    return 0;
}

const struct MHD_OptionItem *tp_tls_options(struct tp_tls *t)
{
    static const struct MHD_OptionItem none[] = { { MHD_OPTION_END, 0, NULL } };
    static const struct MHD_OptionItem ours[] = {
        { MHD_OPTION_HTTPS_PRIORITIES, 0, (char *)PRIORITIES },
        { MHD_OPTION_HTTPS_CERT_CALLBACK2, 0, (void *)show_pair },
        { MHD_OPTION_END, 0, NULL },
    };
    if (!t) return none;
    atomic_store(&serving, t);
    return ours;
}

/* ---- start and end --------------------------------------------------------------------------- */

bool tp_tls_open(struct tp_tls **out, const char *cert_file, const char *key_file,
                 struct tp_err *err)
{
    *out = NULL;
    if (!cert_file && !key_file) return true;
    if (!cert_file || !key_file)
        return tp_fail(err, TP_INVALID_ARGUMENT, "--tls-%s is missing: TLS needs --tls-cert FILE "
                       "and --tls-key FILE", cert_file ? "key" : "cert");
    struct tp_tls *t = calloc(1, sizeof *t);
    if (!t) return tp_fail(err, TP_NO_MEMORY, "out of memory");
    t->cert_file = cert_file;
    t->key_file = key_file;
    pthread_mutex_init(&t->lock, NULL);
    if (read_pair(&t->pair, t, err)) *out = t;
    else tp_tls_free(t);
    return *out != NULL;
}

bool tp_tls_reload(struct tp_tls *t, struct tp_err *err)
{
    struct pair fresh = { 0 };
    if (!t) return true;
    if (!read_pair(&fresh, t, err)) return false;
    pthread_mutex_lock(&t->lock);
    struct pair old = t->pair;
    t->pair = fresh;
    pthread_mutex_unlock(&t->lock);
    free_pair(&old);
    return true;
}

void tp_tls_free(struct tp_tls *t)
{
    if (!t) return;
    free_pair(&t->pair);
    pthread_mutex_destroy(&t->lock);
    free(t);
}

const char *tp_tls_library(void) { return gnutls_check_version(NULL); }
