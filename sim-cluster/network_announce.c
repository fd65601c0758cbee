#include "sim-cluster/network_announce.h"

#include "sim-cluster/namespace.h"
#include "sim-cluster/neighbour.h"
#include "target/base/memory.h"

#include <linux/if_packet.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static const double pauses_s[] = {0.3, 0.7}; /* after the first, the second */

enum { ANNOUNCEMENTS = 1 + sizeof(pauses_s) / sizeof(*pauses_s) };

struct announcement {
    struct list link;
    struct ev_loop *loop;
    const struct network_node *node; /* borrowed */
    struct network_port port;
    struct address address;
    int socket, sent;
    ev_timer next;
};

/* Of the node's namespace. -1: none can be had, and nothing is announced. */
static int open_socket(const struct network_node *node)
{
    int back = node->space >= 0 ? namespace_enter(node->space) : -1;
    int fd = -1;

    if (node->space < 0 || back >= 0)
        fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (back >= 0)
        namespace_leave(back);
    return fd;
}

static void send_frame(const struct announcement *announcement, bool is_reply)
{
    uint8_t frame[NEIGHBOUR_FRAME_MAX];
    struct sockaddr_ll to = {.sll_family = AF_PACKET, .sll_ifindex = announcement->port.index};
    size_t length = neighbour_encode_announcement(frame, announcement->port.mac,
                                                  &announcement->address, is_reply);

    sendto(announcement->socket, frame, length, 0, (struct sockaddr *)&to, sizeof(to));
}

static void finish(struct announcement *announcement)
{
    ev_timer_stop(announcement->loop, &announcement->next);
    list_remove(&announcement->link);
    close(announcement->socket);
    free(announcement);
}

static void send_once(struct announcement *announcement)
{
    send_frame(announcement, false);
    if (!announcement->address.is_ipv6)
        send_frame(announcement, true);
    announcement->sent++;
    if (announcement->sent == ANNOUNCEMENTS) {
        finish(announcement);
        return;
    }
    ev_timer_set(&announcement->next, pauses_s[announcement->sent - 1], 0);
    ev_timer_start(announcement->loop, &announcement->next);
}

static void on_next(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)loop, (void)events;
    send_once(container_of(timer, struct announcement, next));
}

void network_announce_begin(struct network *network, struct network_node *node,
                            const struct network_port *port, const struct address *address,
                            double delay_s)
{
    int fd = open_socket(node);
    struct announcement *announcement;

    if (fd < 0)
        return;
    announcement = memory_new(sizeof(*announcement));
    *announcement = (struct announcement){
        .loop = network->loop, .node = node, .port = *port, .address = *address, .socket = fd};
    ev_timer_init(&announcement->next, on_next, delay_s, 0);
    list_append(&network->announcements, &announcement->link);
    if (delay_s > 0)
        ev_timer_start(announcement->loop, &announcement->next);
    else
        send_once(announcement);
}

void network_announce_end(struct network *network, const struct network_node *node,
                          const struct address *address)
{
    LIST_FOR_EACH_SAFE (link, &network->announcements) {
        struct announcement *announcement = container_of(link, struct announcement, link);

        if ((!node || announcement->node == node) &&
            (!address || address_is_same_host(&announcement->address, address)))
            finish(announcement);
    }
}
