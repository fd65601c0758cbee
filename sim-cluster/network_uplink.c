#include "sim-cluster/network_uplink.h"

#include "sim-cluster/belongings.h"
#include "sim-cluster/namespace.h"
#include "sim-cluster/network_lan.h"
#include "target/base/memory.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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
        wrong = check_link_is_free(network, network_plan_own(network->config, index));
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

static void list_network(const struct network *network, size_t index, struct belongings *list)
{
    const struct network_config *config = &network->config->networks[index];
    char *own = network_plan_own(network->config, index);
    uint8_t mac[NETWORK_MAC_SIZE];

    for (size_t i = 0; i < config->address_count && config->uplink == UPLINK_BRIDGE; i++)
        belongings_add_address(list, own, &config->addresses[i]);
    for (size_t i = 0; i < network->config->node_count; i++) {
        int node = network->config->nodes[i].number;
        char *port = network_plan_port(network->config, index, node),
             *wire = network_plan_wire(network->config, index, node, 'n');

        belongings_add_link(list, wire, NULL);
        belongings_add_link(list, port, NULL);
        free(wire);
        free(port);
    }
    network_plan_mac(mac, network->config, index, NETWORK_THIS_MACHINE);
    if (has_own_link(config))
        belongings_add_link(list, own, mac);
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
    char *own = network_plan_own(network->config, index), *wrong = NULL;
    int error = has_own_link(config) ? make_own_link(network, index, own) : 0;

    if (error)
        wrong = memory_format("cannot make interface %s: %s", own, strerror(-error));
    else if (config->address_count)
        wrong = add_own_addresses(network, config, own);
    free(own);
    return wrong;
}

char *network_uplink_open(struct network *network)
{
    int error = netlink_open(&network->netlink);
    char *wrong =
        error ? memory_format("cannot use netlink: %s", strerror(-error)) : check_names(network);

    if (!wrong)
        wrong = write_belongings(network);
    for (size_t i = 0; i < network->config->network_count && !wrong; i++)
        wrong = make_network(network, i);
    return wrong;
}
