/* presence.c - is the client of a suspended connection still there? */
#include "http/presence.h"

#include <poll.h>
#include <string.h>
#include <sys/socket.h>

static void ask(struct tp_presence *p)
{
    static const char interim[] = "HTTP/1.1 102 Processing\r\n\r\n";
    send(p->fd, interim, strlen(interim), MSG_DONTWAIT | MSG_NOSIGNAL);  /* failing tells as well */
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
