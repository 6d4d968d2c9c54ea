/* presence.c - is the client of a suspended connection still there? */
#include "http/presence.h"

#include <poll.h>
#include <string.h>
#include <sys/socket.h>

/* A part of it would be read as the beginning of the answer: the connection ends then. It takes a
 * client that has stopped to read what it asked for before. */
static void ask(struct tp_presence *p)
{
    static const char interim[] = "HTTP/1.1 102 Processing\r\n\r\n";
    const ssize_t n_bytes = (ssize_t)strlen(interim);
    const ssize_t n = send(p->fd, interim, (size_t)n_bytes, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (n > 0 && n < n_bytes) shutdown(p->fd, SHUT_RDWR);    /* failing at all tells as well */
    p->has_asked = true;
}

bool tp_presence_look(struct tp_presence *p)
{
    struct pollfd look = { .fd = p->fd, .events = POLLRDHUP };
    if (poll(&look, 1, 0) <= 0) return true;
    if (look.revents & (POLLERR | POLLHUP | POLLNVAL)) return false;
    if (!p->may_ask) return false;
    if (!p->has_asked) ask(p);
    return true;
}
