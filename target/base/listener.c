#include "target/base/listener.h"

#include "target/base/list.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <unistd.h>

enum { BACKLOG = 1024, ACCEPTS_PER_TURN = 64 };

/* Whether connections to it are at that address, and not at one of several. */
static bool is_single(const struct address *address)
{
    const struct address any = {.is_ipv6 = address->is_ipv6};

    return address->port && !address_is_same_host(address, &any);
}

static bool find_local(const struct listener *listener, int fd, struct address *local)
{
    struct sockaddr_storage here;
    socklen_t length = sizeof(here);

    *local = listener->address;
    return is_single(local) || (!getsockname(fd, (struct sockaddr *)&here, &length) &&
                                address_from_socket(local, &here));
}

static void accepted(struct listener *listener, int fd, const struct sockaddr_storage *from)
{
    struct address local, peer;

    if (!find_local(listener, fd, &local) || !address_from_socket(&peer, from))
        close(fd);
    else
        listener->on_accepted(listener->owner, fd, &local, &peer);
}

static void on_readable(struct ev_loop *loop, ev_io *watcher, int events)
{
    (void)events;
    struct listener *listener = container_of(watcher, struct listener, readable);

    for (int i = 0; i < ACCEPTS_PER_TURN && ev_is_active(watcher); i++) {
        struct sockaddr_storage from;
        socklen_t length = sizeof(from);
        int fd =
            accept4(watcher->fd, (struct sockaddr *)&from, &length, SOCK_NONBLOCK | SOCK_CLOEXEC);

        if (fd >= 0) {
            accepted(listener, fd, &from);
        } else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
            ev_io_stop(loop, watcher);
            ev_timer_start(loop, &listener->rest);
        } else if (errno != ECONNABORTED && errno != EINTR) {
            return;
        }
    }
}

static void on_rested(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)events;
    ev_io_start(loop, &container_of(timer, struct listener, rest)->readable);
}

static int open_socket(const struct address *address)
{
    struct sockaddr_storage at;
    socklen_t length = address_to_socket(address, &at);
    int on = 1, fd = socket(at.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return -errno;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)); /* its connections have it, too */
    if (address->is_ipv6)
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
    if (bind(fd, (struct sockaddr *)&at, length) || listen(fd, BACKLOG)) {
        int error = errno;

        close(fd);
        return -error;
    }
    return fd;
}

int listener_open(struct listener *listener, struct ev_loop *loop, const struct address *address,
                  listener_accepted *on_accepted, void *owner)
{
    int fd = open_socket(address);

    if (fd < 0)
        return fd;
    *listener = (struct listener){
        .loop = loop, .address = *address, .on_accepted = on_accepted, .owner = owner};
    ev_io_init(&listener->readable, on_readable, fd, EV_READ);
    ev_timer_init(&listener->rest, on_rested, 0.2, 0);
    ev_io_start(loop, &listener->readable);
    return 0;
}

void listener_close(struct listener *listener)
{
    ev_io_stop(listener->loop, &listener->readable);
    ev_timer_stop(listener->loop, &listener->rest);
    close(listener->readable.fd);
}
