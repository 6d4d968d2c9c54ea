/* descriptors.c - as many connections as there are file descriptors for. */
#include "http/descriptors.h"

#include <sys/resource.h>

#include "base/log.h"

/* For all that is no connection: standard streams, listening sockets, epoll and event descriptors
 * (13 with two ports, counted), and the files of models that are being read. */
enum { RESERVED = 32 };

static rlim_t raise_limit(rlim_t wanted)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit)) return wanted;
    if (limit.rlim_cur >= wanted) return wanted;   /* RLIM_INFINITY is the largest number */
    const rlim_t before = limit.rlim_cur;
    limit.rlim_cur = limit.rlim_max < wanted ? limit.rlim_max : wanted;
    return setrlimit(RLIMIT_NOFILE, &limit) ? before : limit.rlim_cur;
}

bool tp_descriptors_fit(int *n_connections, int *n_admin, struct tp_err *err)
{
    const rlim_t wanted = (rlim_t)*n_connections + (rlim_t)*n_admin + RESERVED;
    const rlim_t got = raise_limit(wanted);
    if (got >= wanted) return true;
    if (got < RESERVED + 2)
        return tp_fail(err, TP_INVALID_ARGUMENT,
                       "RLIMIT_NOFILE is %d; expected at least %d and one for each "
                       "connection (ulimit -n, LimitNOFILE=)", (int)got, RESERVED);
    const int left = (int)got - RESERVED;
    if (*n_admin > left / 4) *n_admin = left < 4 ? 1 : left / 4;
    const int most = left - *n_admin;
    tp_log(TP_LOG_WARN,
           "--max-connections %d: lowered to %d, as this process may open %d files "
           "only (ulimit -n, LimitNOFILE=)", *n_connections, most, (int)got);
    *n_connections = most;
    return true;
}
