/* network = host: addresses of this machine's own interfaces. All nodes share its MAC addresses. */
#include "sim-cluster/belongings.h"
#include "sim-cluster/network_lan.h"
#include "sim-cluster/network_mode.h"
#include "sim-cluster/privileges.h"
#include "target/base/memory.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char *check(const struct cluster_config *config)
{
    (void)config;
    return privileges_check("host", PRIVILEGE_NETWORK);
}

/* ---- what an interface must be like ---- */

static bool is_promoting(const char *interface)
{
    char *path = memory_format("/proc/sys/net/ipv4/conf/%s/promote_secondaries", interface);
    int file = open(path, O_RDONLY | O_CLOEXEC);
    char value = '0';
    bool is_read = file >= 0 && read(file, &value, 1) == 1;

    free(path);
    if (file >= 0)
        close(file);
    return is_read && value != '0';
}

/* Else the kernel takes all addresses of a subnet away with the first of them. */
static char *check_promotion(const struct network *network, const struct network_config *config)
{
    if (is_promoting("all") || is_promoting(config->device))
        return NULL;
    return memory_format("%s:%d: on %s an address that goes would take others with it: \"sysctl -w "
                         "net.ipv4.conf.%s.promote_secondaries=1\" prevents that",
                         network->config->path, config->line, config->device, config->device);
}

/* ---- start ---- */

static void list_address(const struct network *network, const struct address *address,
                         struct belongings *list)
{
    const struct network_config *config =
        &network->config->networks[network_plan_find(network->config, address, 0)];
    struct subnet subnet = network_plan_subnet(config, address);

    belongings_add_address(list, config->device, &subnet);
}

static char *write_belongings(struct network *network)
{
    const struct cluster_config *config = network->config;
    struct belongings list = {0};

    for (size_t i = 0; i < config->portal_group_count; i++)
        for (size_t j = 0; j < config->portal_groups[i].floating_ip_count; j++)
            list_address(network, &config->portal_groups[i].floating_ips[j].subnet.address, &list);
    for (size_t i = 0; i < config->node_count; i++)
        for (size_t j = 0; j < config->nodes[i].portal_count; j++)
            list_address(network, &config->nodes[i].portals[j].address, &list);
    return network_begin(network, &list);
}

static char *open_network(struct network *network)
{
    const struct cluster_config *config = network->config;
    int error = netlink_open(&network->netlink);
    char *wrong = error ? memory_format("cannot use netlink: %s", strerror(-error)) : NULL;

    for (size_t i = 0; i < config->network_count && !wrong; i++) {
        wrong = network_lan_check_device(network, &config->networks[i]);
        if (!wrong)
            wrong = check_promotion(network, &config->networks[i]);
    }
    if (!wrong)
        wrong = network_lan_check_addresses(network);
    return wrong ? wrong : write_belongings(network);
}

static char *start_node(struct network *network, struct network_node *node)
{
    node->netlink = network->netlink;
    for (size_t i = 0; i < network->config->network_count; i++) {
        const struct network_config *config = &network->config->networks[i];
        struct link_state link;

        if (netlink_find_link(network->netlink, config->device, &link))
            return memory_format("interface %s is gone", config->device);
        node->ports[i].index = link.index;
        memcpy(node->ports[i].mac, link.mac, sizeof(link.mac));
    }
    return NULL;
}

/* Without its addresses nothing reaches the node's connections, and nothing of them is sent. */
static char *cut(struct network *network, struct network_node *node,
                 enum network_direction direction)
{
    if (direction != NETWORK_BOTH)
        return memory_copy_text("network = host has one interface for all nodes, and cannot cut "
                                "one direction of one of them; network = netns can");
    network_remove_all(network, node);
    return NULL;
}

const struct network_mode network_host = {
    .check = check,
    .open = open_network,
    .start_node = start_node,
    .cut = cut,
    .has_addresses = true,
};
