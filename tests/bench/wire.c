/* wire.c - how fast bytes go through HTTP on this machine: a server of libmicrohttpd that copies a
 * body and answers the copy, and a client that sends a body again and again and reads the answers.
 *
 *   wire serve PORT                                     until it is killed
 *   wire ask PORT PATH SECONDS BODY [HEADER...]         megabytes sent and received a second, of
 *                                                       the fastest request
 *
 * tests/bench/wire.sh runs both, in turn with the service. */
#include <arpa/inet.h>
#include <microhttpd.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/* ---- the server ------------------------------------------------------------------------------ */

struct body { char *data; size_t n, room; };

static enum MHD_Result handle(void *cls, struct MHD_Connection *connection, const char *url,
                              const char *method, const char *version, const char *data,
                              size_t *n_bytes, void **con_cls)
{
    struct body *b = *con_cls;
    (void)cls, (void)url, (void)method, (void)version;
    if (!b) {
        const char *length = MHD_lookup_connection_value(connection, MHD_HEADER_KIND,
                                                         MHD_HTTP_HEADER_CONTENT_LENGTH);
        *con_cls = b = calloc(1, sizeof *b);
        b->room = length ? strtoul(length, NULL, 10) : 0;
        b->data = malloc(b->room + 1);
        return MHD_YES;
    }
    if (*n_bytes) {
        if (b->n + *n_bytes > b->room) return MHD_NO;
        memcpy(b->data + b->n, data, *n_bytes);
        b->n += *n_bytes;
        *n_bytes = 0;
        return MHD_YES;
    }
    struct MHD_Response *m = MHD_create_response_from_buffer(b->n, b->data, MHD_RESPMEM_MUST_COPY);
    enum MHD_Result ok = MHD_queue_response(connection, 200, m);
    MHD_destroy_response(m);
    return ok;
}

static void end(void *cls, struct MHD_Connection *connection, void **con_cls,
                enum MHD_RequestTerminationCode why)
{
    struct body *b = *con_cls;
    (void)cls, (void)connection, (void)why;
    if (!b) return;
    free(b->data);
    free(b);
}

static int serve(int port)
{
    struct MHD_Daemon *d =
        MHD_start_daemon(MHD_USE_EPOLL_INTERNAL_THREAD, (uint16_t)port, NULL, NULL, handle, NULL,
                         MHD_OPTION_NOTIFY_COMPLETED, end, NULL, MHD_OPTION_END);
    if (!d) return 1;
    for (;;) pause();
}

/* ---- the client ------------------------------------------------------------------------------ */

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void fail(const char *what)
{
    fprintf(stderr, "wire: %s\n", what);
    exit(1);
}

static void send_all(int fd, const char *p, size_t n)
{
    while (n) {
        const ssize_t sent = send(fd, p, n, MSG_NOSIGNAL);
        if (sent <= 0) fail("the server hung up while it was sent to");
        p += sent;
        n -= (size_t)sent;
    }
}

/* Reads one answer and returns the size of its body. */
static size_t read_answer(int fd, char *room, size_t n_room)
{
    size_t n = 0, head = 0;
    while (!head) {
        const ssize_t got = recv(fd, room + n, 8191 - n, 0);
        if (got <= 0) fail("the server hung up before its answer");
        n += (size_t)got;
        room[n] = '\0';
        const char *end_of_head = strstr(room, "\r\n\r\n");
        if (end_of_head) head = (size_t)(end_of_head - room) + 4;
        else if (n == 8191) fail("the answer's headers are too long");
    }
    const char *length = strcasestr(room, "\r\nContent-Length:");
    if (strncmp(room + 8, " 200", 4) || !length) fail(room);
    const size_t size = strtoul(length + 17, NULL, 10);
    for (size_t left = size - (n - head); left;) {
        const ssize_t got = recv(fd, room, left < n_room ? left : n_room, 0);
        if (got <= 0) fail("the server hung up within its answer");
        left -= (size_t)got;
    }
    return size;
}

static char *read_file(const char *path, size_t *n)
{
    FILE *f = fopen(path, "rb");
    if (!f || fseek(f, 0, SEEK_END)) fail("the body cannot be read");
    *n = (size_t)ftell(f);
    rewind(f);
    char *data = malloc(*n + 1);
    if (fread(data, 1, *n, f) != *n) fail("the body cannot be read");
    fclose(f);
    return data;
}

static int ask(int argc, char **argv)
{
    enum { ROOM = 1 << 20 };
    size_t n_body;
    double most = 0;
    char *body = read_file(argv[5], &n_body), *room = malloc(ROOM), head[4096];
    const double seconds = atof(argv[4]);
    struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(argv[2])),
                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    int at = snprintf(head, sizeof head, "POST %s HTTP/1.1\r\nHost: here\r\n"
                      "Content-Length: %zu\r\n", argv[3], n_body);
    for (int i = 6; i < argc; i++)
        at += snprintf(head + at, sizeof head - (size_t)at, "%s\r\n", argv[i]);
    at += snprintf(head + at, sizeof head - (size_t)at, "\r\n");
    int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (connect(fd, (struct sockaddr *)&to, sizeof to)) fail("nobody listens there");
    const double end_of_all = now() + seconds;
    for (int i = 0; i < 2 || now() < end_of_all; i++) {
        const double start = now();
        send_all(fd, head, (size_t)at);
        send_all(fd, body, n_body);
        const size_t size = read_answer(fd, room, ROOM);
        const double mb = (double)(n_body + size) / (now() - start) / 1e6;
        if (mb > most) most = mb;
    }
    printf("%.0f\n", most);
    close(fd);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc == 3 && !strcmp(argv[1], "serve")) return serve(atoi(argv[2]));
    if (argc >= 6 && !strcmp(argv[1], "ask")) return ask(argc, argv);
    fprintf(stderr, "usage: wire serve PORT | wire ask PORT PATH SECONDS BODY [HEADER...]\n");
    return 2;
}
