/* health.c - asks a running server whether it is ready: for a container's HEALTHCHECK, which has no
 * curl. One request, one status line; nothing more of HTTP is needed. */
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "cli/cli.h"
#include "http/tls_client.h"

enum { TIMEOUT_SECONDS = 3 };

struct address {
    bool is_https;
    char host[256], port[16];
};

/* "http://host:port[/...]", or https, to its parts. */
static bool split_url(const char *url, struct address *to, struct tp_err *err)
{
    static const char plain[] = "http://", tls[] = "https://";
    to->is_https = !strncmp(url, tls, strlen(tls));
    if (!to->is_https && strncmp(url, plain, strlen(plain)))
        return tp_fail(err, TP_INVALID_ARGUMENT, "--url %s: expected http://host:port or "
                       "https://host:port", url);
    const char *rest = url + strlen(to->is_https ? tls : plain);
    bool brackets = *rest == '[';
    if (brackets) rest++;
    size_t n = strcspn(rest, brackets ? "]" : ":/");
    if (!n || n >= sizeof to->host)
        return tp_fail(err, TP_INVALID_ARGUMENT, "--url %s: no host in it", url);
    memcpy(to->host, rest, n);
    to->host[n] = '\0';
    rest += n + (brackets && rest[n] == ']');
    snprintf(to->port, sizeof to->port, to->is_https ? "443" : "80");
    if (*rest == ':')
        snprintf(to->port, sizeof to->port, "%.*s", (int)strcspn(rest + 1, "/"), rest + 1);
    return true;
}

static int connect_to(const char *host, const char *port, struct tp_err *err)
{
    struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *found;
    const struct timeval patience = { .tv_sec = TIMEOUT_SECONDS };
    int failed = getaddrinfo(host, port, &hints, &found), fd = -1;
    if (failed) {
        tp_fail(err, TP_IO, "%s: %s", host, gai_strerror(failed));
        return -1;
    }
    for (struct addrinfo *a = found; a && fd < 0; a = a->ai_next) {
        fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fd < 0) continue;
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
        if (!connect(fd, a->ai_addr, a->ai_addrlen)) break;
        close(fd);
        fd = -1;
    }
    freeaddrinfo(found);
    if (fd < 0) tp_fail(err, TP_IO, "nothing answers at %s port %s", host, port);
    return fd;
}

/* `tls` is NULL for plain HTTP. */
static ssize_t give(int fd, struct tp_tls_client *tls, const void *bytes, size_t n)
{
    return tls ? tp_tls_client_send(tls, bytes, n) : send(fd, bytes, n, MSG_NOSIGNAL);
}

static ssize_t take(int fd, struct tp_tls_client *tls, void *bytes, size_t n)
{
    return tls ? tp_tls_client_recv(tls, bytes, n) : recv(fd, bytes, n, 0);
}

/* The status of GET /v2/health/ready; 0 with *err filled. */
static int ask(int fd, struct tp_tls_client *tls, const char *host, struct tp_err *err)
{
    char text[512];
    int status = 0;
    int n = snprintf(text, sizeof text, "GET /v2/health/ready HTTP/1.1\r\nHost: %s\r\n"
                     "Connection: close\r\n\r\n", host);
    if (give(fd, tls, text, (size_t)n) != n) {
        tp_fail(err, TP_IO, "the connection broke");
        return 0;
    }
    size_t got = 0;
    while (got < 16) {
        ssize_t more = take(fd, tls, text + got, sizeof text - 1 - got);
        if (more <= 0) break;
        got += (size_t)more;
    }
    text[got] = '\0';
    if (sscanf(text, "HTTP/1.%*d %d", &status) != 1)
        tp_fail(err, TP_IO, "no answer of HTTP within %d s", TIMEOUT_SECONDS);
    return status;
}

/* The same, of whoever is there. */
static int ask_at(const struct address *at, struct tp_err *err)
{
    struct tp_tls_client *tls = NULL;
    int status = 0;
    const int fd = connect_to(at->host, at->port, err);
    if (fd < 0) return 0;
    if (!at->is_https || tp_tls_client_open(&tls, fd, TIMEOUT_SECONDS * 1000, err))
        status = ask(fd, tls, at->host, err);
    tp_tls_client_close(tls);
    close(fd);
    return status;
}

int tp_cli_health(int argc, char **argv)
{
    const char *url = "http://127.0.0.1:8080";
    struct tp_err err = { 0 };
    const struct tp_flag flags[] = {
        { "url", TP_FLAG_TEXT, &url, 0, 0, "URL",
          "the server, default http://127.0.0.1:8080; https: its certificate is not verified" },
    };
    const struct tp_cli_command command = { "health", "", flags, 1, 0, 0 };
    struct address at;
    int n_words, status;
    if (!tp_cli_begin(&command, argc, argv, &n_words, &status)) return status;
    if (!split_url(url, &at, &err)) {
        tp_cli_fail("health", &err);
        return TP_EXIT_USAGE;
    }
    const int answer = ask_at(&at, &err);
    if (answer == 200) return TP_EXIT_DONE;
    tp_fail(&err, TP_UNAVAILABLE, "not ready: status %d", answer);
    return tp_cli_fail("health", &err);
}
