/* network = netns: every node is a network namespace of its own, on a private bridge, on a bridge
 * of this machine or by macvlan on one of its interfaces. */
#include "sim-cluster/belongings.h"
#include "sim-cluster/namespace.h"
#include "sim-cluster/network_lan.h"
#include "sim-cluster/network_mode.h"
#include "sim-cluster/one_way.h"
#include "sim-cluster/privileges.h"
#include "target/base/config.h"
#include "target/base/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char *cannot(const char *what, const char *name, int error)
{
    return memory_format("%s %s: %s", what, name, strerror(-error));
}

static char *check(const struct cluster_config *config)
{
    (void)config;
    return privileges_check("netns", PRIVILEGE_NAMESPACES | PRIVILEGE_NETWORK);
}

/* ---- what must be there, and what must not ---- */

static char *check_namespace(const struct network *network, int node)
{
    char *name = network_plan_namespace(network->config, node), *wrong = NULL;
    int space = namespace_open(name);

    if (space != -ENOENT)
        wrong = memory_format("there is a network namespace %s that is not this cluster's: give "
                              "the cluster another name in [cluster], or remove it with \"ip netns "
                              "delete %s\"",
                              name, name);
    if (space >= 0)
        close(space);
    free(name);
    return wrong;
}

/* Takes the name. */
static char *check_link_is_free(const struct network *network, char *name)
{
    struct link_state link;
    char *wrong = NULL;

    if (netlink_find_link(network->netlink, name, &link) != -ENODEV)
        wrong = memory_format("there is an interface %s that is not this cluster's: give the "
                              "cluster another name in [cluster]",
                              name);
    free(name);
    return wrong;
}

static bool has_own_link(const struct network_config *config)
{
    return config->uplink == UPLINK_NONE ||
           (config->uplink == UPLINK_MACVLAN && config->address_count);
}

static char *check_network(const struct network *network, size_t index)
{
    const struct network_config *config = &network->config->networks[index];
    char *wrong = config->device ? network_lan_check_device(network, config) : NULL;

    if (!wrong && has_own_link(config))
        wrong = check_link_is_free(network, network_plan_link(network->config, index));
    for (size_t i = 0; i < network->config->node_count && !wrong; i++)
        wrong = check_link_is_free(
            network, network_plan_port(network->config, index, network->config->nodes[i].number));
    return wrong;
}

static char *check_names(const struct network *network)
{
    const struct cluster_config *config = network->config;
    char *wrong = NULL;

    for (size_t i = 0; i < config->node_count && !wrong; i++)
        wrong = check_namespace(network, config->nodes[i].number);
    for (size_t i = 0; i < config->network_count && !wrong; i++)
        wrong = check_network(network, i);
    return wrong ? wrong : network_lan_check_addresses(network);
}

/* ---- what is made ---- */

/* The interface that this machine itself has in a network. Owned. */
static char *name_of_own(const struct network *network, size_t index)
{
    const struct network_config *config = &network->config->networks[index];

    return config->uplink == UPLINK_BRIDGE ? memory_copy_text(config->device)
                                           : network_plan_link(network->config, index);
}

static void list_network(const struct network *network, size_t index, struct belongings *list)
{
    const struct network_config *config = &network->config->networks[index];
    char *own = name_of_own(network, index), host[ADDRESS_TEXT_SIZE];

    for (size_t i = 0; i < config->address_count && config->uplink == UPLINK_BRIDGE; i++) {
        char *address =
            memory_format("%s/%d", address_format_host(&config->addresses[i].address, host),
                          config->addresses[i].prefix);

        belongings_add_address(list, own, address);
        free(address);
    }
    for (size_t i = 0; i < network->config->node_count; i++) {
        char *port = network_plan_port(network->config, index, network->config->nodes[i].number);

        belongings_add_link(list, port);
        free(port);
    }
    if (has_own_link(config))
        belongings_add_link(list, own);
    free(own);
}

static char *write_belongings(struct network *network)
{
    struct belongings list = {0};

    for (size_t i = 0; i < network->config->node_count; i++) {
        char *name = network_plan_namespace(network->config, network->config->nodes[i].number);

        belongings_add_namespace(&list, name);
        free(name);
    }
    for (size_t i = 0; i < network->config->network_count; i++)
        list_network(network, i, &list);
    return network_begin(network, &list);
}

static int make_own_link(struct network *network, size_t index, const char *name)
{
    const struct network_config *config = &network->config->networks[index];
    uint8_t mac[NETWORK_MAC_SIZE];
    struct link_plan plan = {
        .name = name, .alias = network->mark, .mac = mac, .mtu = config->mtu, .space = -1};
    struct link_state parent, own;
    int error = 0;

    network_plan_mac(mac, network->config, index, NETWORK_THIS_MACHINE);
    if (config->uplink == UPLINK_NONE)
        error = netlink_add_bridge(network->netlink, &plan);
    else
        error = netlink_find_link(network->netlink, config->device, &parent);
    if (!error && config->uplink == UPLINK_MACVLAN)
        error = netlink_add_macvlan(network->netlink, &plan, parent.index);
    if (!error)
        error = netlink_find_link(network->netlink, name, &own);
    return error ? error : netlink_set_up(network->netlink, own.index, true);
}

static char *add_own_addresses(struct network *network, const struct network_config *config,
                               const char *own)
{
    struct link_state link;
    int error = netlink_find_link(network->netlink, own, &link);
    char host[ADDRESS_TEXT_SIZE];

    for (size_t i = 0; i < config->address_count && !error; i++)
        error = netlink_add_address(network->netlink, link.index, &config->addresses[i]);
    if (!error)
        return NULL;
    return memory_format("%s:%d: %s cannot be added to %s: %s", network->config->path, config->line,
                         address_format_host(&config->addresses[0].address, host), own,
                         strerror(-error));
}

static char *make_network(struct network *network, size_t index)
{
    const struct network_config *config = &network->config->networks[index];
    char *own = name_of_own(network, index), *wrong = NULL;
    int error = has_own_link(config) ? make_own_link(network, index, own) : 0;

    if (error)
        wrong = cannot("cannot make interface", own, error);
    else if (config->address_count)
        wrong = add_own_addresses(network, config, own);
    free(own);
    return wrong;
}

static char *open_network(struct network *network)
{
    int error = netlink_open(&network->netlink);
    char *wrong = error ? cannot("cannot open", "netlink", error) : check_names(network);

    if (!wrong)
        wrong = write_belongings(network);
    for (size_t i = 0; i < network->config->network_count && !wrong; i++)
        wrong = make_network(network, i);
    return wrong;
}

/* ---- nodes ---- */

static void write_setting(const char *path, const char *value)
{
    int file = open(path, O_WRONLY | O_CLOEXEC);

    if (file < 0)
        return; /* a kernel without it needs it not */
    if (write(file, value, strlen(value)) < 0)
        value = NULL;
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
    char *own = name_of_own(network, index);
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

static void end_cuts(struct network_node *node)
{
    for (size_t i = 0; i < node->cut_count; i++)
        close(node->cuts[i]);
    node->cut_count = 0;
}

static void discard(struct network *network, struct network_node *node, const char *name)
{
    netlink_close(node->netlink);
    close(node->space);
    node->netlink = NULL;
    node->space = -1;
    node->held_count = 0;
    end_cuts(node);
    belongings_remove_namespace(name, network->mark);
}

/* A machine that lost its power has nothing left of its connections when it is back. */
static char *start_node(struct network *network, struct network_node *node)
{
    char *name = network_plan_namespace(network->config, node->config->number), *wrong = NULL;
    int error = 0;

    if (node->is_cut && node->space >= 0)
        discard(network, node, name);
    if (node->space < 0) {
        error = make_space(network, node, name);
        for (size_t i = 0; i < network->config->network_count && !error; i++)
            error = connect_node(network, node, i);
    }
    if (error)
        wrong = cannot("cannot connect namespace", name, error);
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

static int darken(struct network *network, struct network_node *node, size_t index)
{
    int far = find_far_end(network, node, index);

    if (far < 0)
        return far;
    return far ? netlink_set_up(network->netlink, far, false)
               : netlink_set_up(node->netlink, node->ports[index].index, false);
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
    end_cuts(node);
    return memory_format(direction == NETWORK_BOTH
                             ? "its links cannot be cut: %s"
                             : "its links cannot be cut in one direction (%s): that needs a kernel "
                               "with XDP, and for out an uplink other than macvlan",
                         strerror(-error));
}

const struct network_mode network_netns = {
    .check = check,
    .open = open_network,
    .start_node = start_node,
    .cut = cut,
    .has_addresses = true,
    .is_cut_by_link = true,
};
