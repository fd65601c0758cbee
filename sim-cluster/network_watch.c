#include "sim-cluster/network_watch.h"

#include "target/base/event.h"
#include "target/base/memory.h"

#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum uplink_state { UPLINK_UP, UPLINK_DOWN, UPLINK_GONE };

static const char *const state_names[] = {
    [UPLINK_UP] = "up", [UPLINK_DOWN] = "down", [UPLINK_GONE] = "gone"};

struct network_watch {
    struct network *network;   /* parent: outlives us */
    enum uplink_state *states; /* owned: one a network */
    ev_io changed;
};

/* A bridge is up without anybody on it. */
static enum uplink_state look(struct network_watch *watch, const struct network_config *config)
{
    struct link_state link;

    if (!config->device)
        return UPLINK_UP;
    if (netlink_find_link(watch->network->netlink, config->device, &link))
        return UPLINK_GONE;
    if (!link.is_up || (config->uplink != UPLINK_BRIDGE && !link.has_carrier))
        return UPLINK_DOWN;
    return UPLINK_UP;
}

static void compare(struct network_watch *watch, size_t index)
{
    const struct network_config *config = &watch->network->config->networks[index];
    enum uplink_state is = look(watch, config), was = watch->states[index];

    if (is == was)
        return;
    watch->states[index] = is;
    event(EVENT_NETWORK_LINK, text("network", config->name), text("interface", config->device),
          text("state", state_names[is]), text("was", state_names[was]));
}

/* That something has changed is enough: what, the kernel is asked. */
static void on_changed(struct ev_loop *loop, ev_io *watcher, int events)
{
    (void)loop, (void)events;
    struct network_watch *watch = container_of(watcher, struct network_watch, changed);
    char ignored[4096];

    while (recv(watcher->fd, ignored, sizeof(ignored), MSG_DONTWAIT) > 0)
        continue;
    for (size_t i = 0; i < watch->network->config->network_count; i++)
        compare(watch, i);
}

static int subscribe(void)
{
    struct sockaddr_nl groups = {.nl_family = AF_NETLINK, .nl_groups = RTMGRP_LINK};
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);

    if (fd >= 0 && bind(fd, (struct sockaddr *)&groups, sizeof(groups))) {
        close(fd);
        fd = -1;
    }
    return fd;
}

static bool has_devices(const struct cluster_config *config)
{
    for (size_t i = 0; i < config->network_count; i++)
        if (config->networks[i].device)
            return true;
    return false;
}

struct network_watch *network_watch_new(struct network *network)
{
    int fd = has_devices(network->config) ? subscribe() : -1;
    struct network_watch *watch;

    if (fd < 0)
        return NULL;
    watch = memory_new(sizeof(*watch));
    watch->network = network;
    watch->states = memory_new(network->config->network_count * sizeof(*watch->states));
    ev_io_init(&watch->changed, on_changed, fd, EV_READ);
    ev_io_start(network->loop, &watch->changed);
    return watch;
}

void network_watch_free(struct network_watch *watch)
{
    if (!watch)
        return;
    ev_io_stop(watch->network->loop, &watch->changed);
    close(watch->changed.fd);
    free(watch->states);
    free(watch);
}
