/* network = netns: every node is a network namespace of its own, connected to the uplinks of
 * network_uplink.h. */
#include "sim-cluster/belongings.h"
#include "sim-cluster/namespace.h"
#include "sim-cluster/network_uplink.h"
#include "sim-cluster/one_way.h"
#include "sim-cluster/privileges.h"
#include "target/base/config.h"
#include "target/base/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char *check(const struct cluster_config *config)
{
    (void)config;
    return privileges_check("netns", PRIVILEGE_NAMESPACES | PRIVILEGE_NETWORK);
}

/* ---- nodes ---- */

static void write_setting(const char *path, const char *value)
{
    int file = open(path, O_WRONLY | O_CLOEXEC);

    if (file < 0)
        return; /* a kernel without it needs it not */
    dprintf(file, "%s", value);
    close(file);
}

/* An address is answered for by the interface that has it, also where two networks are one LAN. */
static void settle(void)
{
    write_setting("/proc/sys/net/ipv4/conf/all/arp_ignore", "1");
    write_setting("/proc/sys/net/ipv4/conf/all/arp_announce", "2");
}

static int make_space(struct network *network, struct network_node *node, const char *name)
{
    int back, error;

    node->space = namespace_create(name, network->mark);
    if (node->space < 0)
        return node->space;
    back = namespace_enter(node->space);
    if (back < 0)
        return back;
    error = netlink_open(&node->netlink);
    settle();
    namespace_leave(back);
    return error;
}

/* One end in the node, the other at the bridge; a macvlan has one end only. */
static int make_link(struct network *network, struct network_node *node, size_t index,
                     const uint8_t *mac, const char *port)
{
    const struct network_config *config = &network->config->networks[index];
    char *own = network_plan_own(network->config, index);
    struct link_plan far = {
        .name = config->name, .mac = mac, .mtu = config->mtu, .space = node->space};
    struct link_plan near = {.name = port, .alias = network->mark, .mtu = config->mtu, .space = -1};
    struct link_state uplink, made;
    int error = netlink_find_link(network->netlink,
                                  config->uplink == UPLINK_MACVLAN ? config->device : own, &uplink);

    free(own);
    near.master = uplink.index;
    if (!error && config->uplink == UPLINK_MACVLAN)
        return netlink_add_macvlan(network->netlink, &far, uplink.index);
    if (!error)
        error = netlink_add_cable(network->netlink, &near, &far);
    if (!error)
        error = netlink_find_link(network->netlink, port, &made);
    return error ? error : netlink_set_up(network->netlink, made.index, true);
}

static int connect_node(struct network *network, struct network_node *node, size_t index)
{
    struct network_port *port = &node->ports[index];
    char *name = network_plan_port(network->config, index, node->config->number);
    struct link_state link;
    int error;

    network_plan_mac(port->mac, network->config, index, node->config->number);
    error = make_link(network, node, index, port->mac, name);
    free(name);
    if (!error)
        error = netlink_find_link(node->netlink, network->config->networks[index].name, &link);
    if (error)
        return error;
    port->index = link.index;
    return netlink_set_up(node->netlink, link.index, true);
}

static void discard(struct network *network, struct network_node *node, const char *name)
{
    netlink_close(node->netlink);
    close(node->space);
    node->netlink = NULL;
    node->space = -1;
    node->held_count = 0;
    network_end_cuts(node);
    belongings_remove_namespace(name, network->mark);
}

static char *build(struct network *network, struct network_node *node, const char *name)
{
    int error = make_space(network, node, name);
    char *wrong =
        error ? memory_format("cannot make namespace %s: %s", name, strerror(-error)) : NULL;

    for (size_t i = 0; i < network->config->network_count && !wrong; i++) {
        error = connect_node(network, node, i);
        if (error)
            wrong = memory_format("cannot be connected to network %s: %s",
                                  network->config->networks[i].name, strerror(-error));
    }
    if (wrong && node->space >= 0)
        discard(network, node, name);
    return wrong;
}

/* A machine that lost its power has nothing left of its connections when it is back. */
static char *start_node(struct network *network, struct network_node *node)
{
    char *name = network_plan_namespace(network->config, node->config->number), *wrong;

    if (node->is_cut && node->space >= 0)
        discard(network, node, name);
    wrong = node->space < 0 ? build(network, node, name) : NULL;
    free(name);
    return wrong;
}

/* The far end of a node's cable. 0: a macvlan has none; or -errno. */
static int find_far_end(const struct network *network, const struct network_node *node,
                        size_t index)
{
    char *name = network_plan_port(network->config, index, node->config->number);
    struct link_state link = {0};
    int error = network->config->networks[index].uplink == UPLINK_MACVLAN
                    ? 0
                    : netlink_find_link(network->netlink, name, &link);

    free(name);
    return error ? error : link.index;
}

/* A link that is gone is dark. */
static int darken(struct network *network, struct network_node *node, size_t index)
{
    int error, far = find_far_end(network, node, index);

    if (far > 0)
        error = netlink_set_up(network->netlink, far, false);
    else
        error = far ? far : netlink_set_up(node->netlink, node->ports[index].index, false);
    return error == -ENODEV ? 0 : error;
}

static int stop_incoming(const struct network_node *node, size_t index)
{
    int back = namespace_enter(node->space), descriptor;

    if (back < 0)
        return back;
    descriptor = one_way_cut(node->ports[index].index);
    namespace_leave(back);
    return descriptor;
}

static int stop_outgoing(const struct network *network, const struct network_node *node,
                         size_t index)
{
    int far = find_far_end(network, node, index);

    if (far <= 0)
        return far ? far : -EOPNOTSUPP;
    return one_way_cut(far);
}

static int cut_one_way(struct network *network, struct network_node *node, size_t index,
                       enum network_direction direction)
{
    int descriptor =
        direction == NETWORK_IN ? stop_incoming(node, index) : stop_outgoing(network, node, index);
    int *slot;

    if (descriptor < 0)
        return descriptor;
    slot = config_append(&node->cuts, &node->cut_count, sizeof(*slot));
    *slot = descriptor;
    return 0;
}

static char *cut(struct network *network, struct network_node *node,
                 enum network_direction direction)
{
    int error = 0;

    for (size_t i = 0; i < network->config->network_count && !error; i++)
        error = direction == NETWORK_BOTH ? darken(network, node, i)
                                          : cut_one_way(network, node, i, direction);
    if (!error)
        return NULL;
    network_end_cuts(node);
    return memory_format(direction == NETWORK_BOTH
                             ? "its links cannot be cut: %s"
                             : "its links cannot be cut in one direction (%s): that needs a kernel "
                               "with XDP, and for out an uplink other than macvlan",
                         strerror(-error));
}

const struct network_mode network_netns = {
    .check = check,
    .open = network_uplink_open,
    .start_node = start_node,
    .cut = cut,
    .has_addresses = true,
    .is_cut_by_link = true,
};
