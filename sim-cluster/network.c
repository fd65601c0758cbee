#include "sim-cluster/network.h"

#include "sim-cluster/belongings.h"
#include "sim-cluster/network_announce.h"
#include "sim-cluster/network_mode.h"
#include "sim-cluster/network_watch.h"
#include "target/base/config.h"
#include "target/base/memory.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct network_mode *const modes[] = {
    [NETWORK_LOOPBACK] = &network_loopback,
    [NETWORK_HOST] = &network_host,
    [NETWORK_NETNS] = &network_netns,
};

static struct network_node *get_node(const struct network *network, int number)
{
    size_t i = 0;

    while (network->nodes[i].config->number != number)
        i++;
    return &network->nodes[i];
}

/* ---- all of it ---- */

char *network_check(const struct cluster_config *config)
{
    const struct network_mode *mode = modes[config->network];

    return mode->check ? mode->check(config) : NULL;
}

static void init_nodes(struct network *network)
{
    const struct cluster_config *config = network->config;

    network->nodes = memory_new(config->node_count * sizeof(*network->nodes));
    for (size_t i = 0; i < config->node_count; i++)
        network->nodes[i] = (struct network_node){
            .config = &config->nodes[i],
            .ports = memory_new(config->network_count * sizeof(struct network_port)),
            .space = -1,
        };
}

char *network_open(struct network *network, struct ev_loop *loop,
                   const struct cluster_config *config, const char *directory)
{
    char *wrong;

    *network = (struct network){
        .loop = loop,
        .config = config,
        .mode = modes[config->network],
        .directory = memory_copy_text(directory),
        .mark = belongings_mark(directory),
    };
    list_init(&network->announcements);
    init_nodes(network);
    wrong = belongings_remove(directory, NULL, NULL);
    if (!wrong && network->mode->open)
        wrong = network->mode->open(network);
    if (!wrong)
        network->watch = network_watch_new(network);
    return wrong;
}

char *network_begin(struct network *network, struct belongings *belongings)
{
    int error = belongings_write(belongings, network->directory);

    return error ? memory_format("%s: %s", network->directory, strerror(-error)) : NULL;
}

void network_end_cuts(struct network_node *node)
{
    for (size_t i = 0; i < node->cut_count; i++)
        close(node->cuts[i]);
    node->cut_count = 0;
}

static void free_node(struct network_node *node)
{
    muted_reset(&node->muted);
    if (node->space >= 0) {
        netlink_close(node->netlink);
        close(node->space);
    }
    network_end_cuts(node);
    free(node->cuts);
    free(node->held);
    free(node->ports);
}

void network_close(struct network *network)
{
    if (!network->nodes)
        return;
    network_announce_end(network, NULL, NULL);
    network_watch_free(network->watch);
    for (size_t i = 0; i < network->config->node_count; i++)
        free_node(&network->nodes[i]);
    free(belongings_remove(network->directory, NULL, NULL)); /* what stays, the next run reports */
    netlink_close(network->netlink);
    free(network->nodes);
    free(network->directory);
    free(network->mark);
    *network = (struct network){0};
}

/* ---- addresses ---- */

static struct network_port *port_of(const struct network *network, const struct network_node *node,
                                    const struct address *address)
{
    return &node->ports[network_plan_find(network->config, address, 0)];
}

static struct subnet subnet_of(const struct network *network, const struct address *address)
{
    int index = network_plan_find(network->config, address, 0);

    return network_plan_subnet(&network->config->networks[index], address);
}

static size_t find_held(const struct network_node *node, const struct address *address)
{
    size_t i = 0;

    while (i < node->held_count && !address_is_same_host(&node->held[i], address))
        i++;
    return i;
}

static int add_address(struct network *network, struct network_node *node,
                       const struct address *address)
{
    struct subnet subnet = subnet_of(network, address);
    int error = netlink_add_address(node->netlink, port_of(network, node, address)->index, &subnet);
    struct address *slot;

    if (error)
        return error;
    slot = config_append(&node->held, &node->held_count, sizeof(*slot));
    *slot = *address;
    return 0;
}

static void remove_address(struct network *network, struct network_node *node,
                           const struct address *address)
{
    struct subnet subnet = subnet_of(network, address);
    size_t index = find_held(node, address);

    if (index == node->held_count)
        return;
    network_announce_end(network, node, address);
    netlink_remove_address(node->netlink, port_of(network, node, address)->index, &subnet);
    node->held[index] = node->held[--node->held_count];
}

static void announce(struct network *network, struct network_node *node,
                     const struct address *address, double delay_s)
{
    network_announce_begin(network, node, port_of(network, node, address), address, delay_s);
}

int network_add_address(struct network *network, int number, const struct address *address)
{
    return network->mode->has_addresses ? add_address(network, get_node(network, number), address)
                                        : 0;
}

void network_remove_address(struct network *network, int number, const struct address *address)
{
    struct network_node *node = get_node(network, number);

    if (network->mode->has_addresses)
        remove_address(network, node, address);
}

void network_announce(struct network *network, int number, const struct address *address,
                      double delay_s)
{
    struct network_node *node = get_node(network, number);

    if (network->mode->has_addresses && !node->is_cut)
        announce(network, node, address, delay_s);
}

/* ---- nodes ---- */

static char *add_portals(struct network *network, struct network_node *node)
{
    char text[ADDRESS_TEXT_SIZE];

    for (size_t i = 0; i < node->config->portal_count; i++) {
        const struct address *address = &node->config->portals[i].address;
        int error;

        if (find_held(node, address) < node->held_count)
            continue;
        error = add_address(network, node, address);
        if (error)
            return memory_format("%s cannot be added: %s", address_format_host(address, text),
                                 strerror(-error));
        announce(network, node, address, 0);
    }
    return NULL;
}

void network_remove_all(struct network *network, struct network_node *node)
{
    while (node->held_count) {
        struct address last = node->held[node->held_count - 1];

        remove_address(network, node, &last);
    }
}

char *network_start_node(struct network *network, int number)
{
    struct network_node *node = get_node(network, number);
    char *wrong;

    muted_reset(&node->muted);
    wrong = network->mode->start_node ? network->mode->start_node(network, node) : NULL;
    node->is_cut = false;
    if (!wrong && network->mode->has_addresses)
        wrong = add_portals(network, node);
    return wrong;
}

int network_space(const struct network *network, int number)
{
    return get_node(network, number)->space;
}

char *network_cut(struct network *network, int number, enum network_direction direction)
{
    struct network_node *node = get_node(network, number);
    char *wrong = NULL;

    if (network->mode->cut)
        wrong = network->mode->cut(network, node, direction);
    node->is_cut |= !wrong;
    network_announce_end(network, node, NULL);
    return wrong;
}

bool network_is_cut_by_link(const struct network *network)
{
    return network->mode->is_cut_by_link;
}

size_t network_mute(struct network *network, int number, pid_t pid, int pidfd)
{
    struct muted *muted = &get_node(network, number)->muted;

    muted_take(muted, pid, pidfd);
    return muted->count;
}
