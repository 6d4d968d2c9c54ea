/* bare.c - libmicrohttpd with nothing behind it: reads a body, answers a fixed text. What the
 * service is measured against (scripts/bench-http.sh). Usage: bare PORT REPLY_BYTES */
#include <microhttpd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char reply[1 << 20];
static size_t reply_bytes;

static enum MHD_Result handle(void *cls, struct MHD_Connection *connection, const char *url,
                              const char *method, const char *version, const char *data,
                              size_t *n_bytes, void **con_cls)
{
    static int seen;
    (void)cls, (void)url, (void)method, (void)version, (void)data;
    if (!*con_cls) {
        *con_cls = &seen;
        return MHD_YES;
    }
    if (*n_bytes) {
        *n_bytes = 0;
        return MHD_YES;
    }
    struct MHD_Response *m =
        MHD_create_response_from_buffer(reply_bytes, reply, MHD_RESPMEM_PERSISTENT);
    enum MHD_Result ok = MHD_queue_response(connection, 200, m);
    MHD_destroy_response(m);
    return ok;
}

int main(int argc, char **argv)
{
    if (argc != 3) return 2;
    reply_bytes = strtoul(argv[2], NULL, 10);
    if (reply_bytes > sizeof reply) return 2;
    memset(reply, 'x', reply_bytes);
    struct MHD_Daemon *d = MHD_start_daemon(MHD_USE_EPOLL_INTERNAL_THREAD, (uint16_t)atoi(argv[1]),
                                            NULL, NULL, handle, NULL, MHD_OPTION_END);
    if (!d) return 1;
    pause();
    return 0;
}
