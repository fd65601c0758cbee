#include "sim-cluster/config_networks.h"

#include "sim-cluster/cluster_config.h"
#include "sim-cluster/config_check.h"
#include "sim-cluster/network_plan.h"
#include "target/base/memory.h"

#include <ctype.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>

/* ---- the keys of [network NAME] ---- */

char *config_parse_subnet(void *field, const char *value, const struct config_key *key, int line)
{
    (void)line;
    struct network_config *network = field;
    struct subnet subnet, *slot;

    if (!strchr(value, '/') || !subnet_parse(&subnet, value))
        return memory_copy_text("must be ADDRESS/PREFIX, for instance 10.77.1.0/24");
    slot = config_append(&network->subnets, &network->subnet_count, sizeof(*slot));
    *slot = subnet;
    if (strcmp(key->key, "address"))
        return NULL;
    slot = config_append(&network->addresses, &network->address_count, sizeof(*slot));
    *slot = subnet;
    return NULL;
}

static char *set_device(struct network_config *network, int uplink, const char *device)
{
    if (network->device)
        return memory_copy_text("goes with no other uplink or interface");
    if (!*device || strlen(device) >= IF_NAMESIZE || strpbrk(device, "/ \t:"))
        return memory_copy_text("must name an interface of this machine: \"ip link\" lists them");
    network->uplink = uplink;
    network->device = memory_copy_text(device);
    return NULL;
}

/* "none", "bridge br0", "macvlan eth1" */
char *config_parse_uplink(void *field, const char *value, const struct config_key *key, int line)
{
    (void)key, (void)line;
    static const char *const kinds[] = {[UPLINK_BRIDGE] = "bridge", [UPLINK_MACVLAN] = "macvlan"};
    size_t length = strcspn(value, " \t");
    const char *device = value + length + strspn(value + length, " \t");

    for (int i = UPLINK_BRIDGE; i <= UPLINK_MACVLAN; i++)
        if (strlen(kinds[i]) == length && !strncmp(value, kinds[i], length))
            return set_device(field, i, device);
    return strcmp(value, "none")
               ? memory_copy_text("must be none, bridge NAME or macvlan INTERFACE")
               : NULL;
}

char *config_parse_interface(void *field, const char *value, const struct config_key *key, int line)
{
    (void)key, (void)line;
    return set_device(field, UPLINK_INTERFACE, value);
}

/* It is also what the interface in the nodes is called. */
static bool is_interface_name(const char *name)
{
    for (const char *c = name; *c; c++)
        if (!isalnum((unsigned char)*c) && !strchr("_-", *c))
            return false;
    return *name && strlen(name) < IF_NAMESIZE && strcmp(name, "lo");
}

char *config_begin_network(void *owner, const char *name, int line, void **object)
{
    struct cluster_config *config = owner;
    struct network_config *network =
        config_append(&config->networks, &config->network_count, sizeof(*network));

    network->name = memory_copy_text(name);
    network->line = line;
    *object = network;
    return is_interface_name(name)
               ? NULL
               : memory_copy_text("a network's name is that of the nodes' interfaces: at most 15 "
                                  "letters, digits, _ and -, and not lo");
}

/* ---- what several keys have to agree on ---- */

static char *check_unused(const struct cluster_config *config)
{
    if (config->network_count)
        return config_wrong(config, config->networks[0].line,
                            "[network %s] needs network = netns or network = host in [cluster]",
                            config->networks[0].name);
    return config->interface ? config_wrong(config, config->line,
                                            "interface needs network = host in [cluster]")
                             : NULL;
}

static char *check_uplink(const struct cluster_config *config, const struct network_config *network)
{
    bool is_host = config->network == NETWORK_HOST;

    if (is_host != (network->uplink == UPLINK_INTERFACE))
        return config_wrong(config, network->line,
                            is_host
                                ? "network = host needs interface = NAME for network %s"
                                : "network %s has an interface, which is for network = host: "
                                  "uplink = macvlan NAME puts the nodes of network = netns on it",
                            network->name);
    if (is_host && network->address_count)
        return config_wrong(
            config, network->line,
            "network %s: with network = host this machine has its own addresses already; "
            "subnet = says which portals belong to it",
            network->name);
    if (is_host && network->mtu)
        return config_wrong(config, network->line,
                            "network %s: with network = host the MTU is that of the interface",
                            network->name);
    return NULL;
}

static void append_subnet(struct network_config *network, const struct subnet *subnet)
{
    struct subnet *slot = config_append(&network->subnets, &network->subnet_count, sizeof(*slot));

    *slot = *subnet;
}

/* One network has all there is: the floating IPs say how wide it is. */
static void derive_subnets(struct cluster_config *config)
{
    for (size_t i = 0; i < config->portal_group_count; i++)
        for (size_t j = 0; j < config->portal_groups[i].floating_ip_count; j++)
            append_subnet(&config->networks[0], &config->portal_groups[i].floating_ips[j].subnet);
}

static char *complete_networks(struct cluster_config *config)
{
    if (!config->network_count) {
        struct network_config *only =
            config_append(&config->networks, &config->network_count, sizeof(*only));

        only->name = memory_copy_text("lan");
        only->line = config->line;
        if (config->interface) {
            only->uplink = UPLINK_INTERFACE;
            only->device = memory_copy_text(config->interface);
        }
    }
    if (config->network_count == 1 && !config->networks[0].subnet_count)
        derive_subnets(config);
    for (size_t i = 0; i < config->network_count; i++) {
        const struct network_config *network = &config->networks[i];
        char *phrase = check_uplink(config, network);

        if (phrase)
            return phrase;
        if (!network->subnet_count)
            return config_wrong(
                config, network->line,
                "network %s needs subnet = ADDRESS/PREFIX, to tell which portals and "
                "floating IPs belong to it",
                network->name);
    }
    return NULL;
}

static char *check_place(const struct cluster_config *config, const struct address *address,
                         int line)
{
    char text[ADDRESS_TEXT_SIZE];
    int first = network_plan_find(config, address, 0);

    address_format_host(address, text);
    if (address->is_ipv6 ? !strcmp(text, "::1") : address->bytes[0] == 127)
        return config_wrong(config, line,
                            "%s never leaves a machine: network = %s needs addresses of a LAN, for "
                            "instance 10.77.1.100",
                            text, config->network == NETWORK_HOST ? "host" : "netns");
    if (first < 0)
        return config_wrong(config, line,
                            "%s is in no subnet of a [network]: give it a subnet = that has it",
                            text);
    if (network_plan_find(config, address, (size_t)first + 1) >= 0)
        return config_wrong(
            config, line, "%s is in the subnets of networks %s and %s: which one is meant?", text,
            config->networks[first].name,
            config->networks[network_plan_find(config, address, (size_t)first + 1)].name);
    return NULL;
}

/* An address is at one place only, whatever the port. */
struct taken {
    const struct address *address;
    int line, node; /* 0: a floating IP, which has no place of its own; -1: this machine's */
};

struct taken_list {
    struct taken *taken;
    size_t count;
};

static char *take(const struct cluster_config *config, struct taken_list *list,
                  const struct address *address, int line, int node)
{
    char text[ADDRESS_TEXT_SIZE];
    struct taken *slot;
    char *phrase = check_place(config, address, line);

    for (size_t i = 0; i < list->count && !phrase; i++)
        if (address_is_same_host(list->taken[i].address, address) &&
            (node <= 0 || list->taken[i].node != node))
            phrase = config_wrong(config, line, "%s is used in line %d already, by another holder",
                                  address_format_host(address, text), list->taken[i].line);
    slot = config_append(&list->taken, &list->count, sizeof(*slot));
    *slot = (struct taken){address, line, node};
    return phrase;
}

static char *take_portals(const struct cluster_config *config, struct taken_list *list)
{
    char *phrase = NULL;

    for (size_t i = 0; i < config->node_count; i++)
        for (size_t j = 0; j < config->nodes[i].portal_count && !phrase; j++)
            phrase = take(config, list, &config->nodes[i].portals[j].address,
                          config->nodes[i].portals[j].line, config->nodes[i].number);
    return phrase;
}

static char *check_places(struct cluster_config *config)
{
    struct taken_list list = {0};
    char *phrase = NULL;

    for (size_t i = 0; i < config->network_count; i++)
        for (size_t j = 0; j < config->networks[i].address_count && !phrase; j++)
            phrase = take(config, &list, &config->networks[i].addresses[j].address,
                          config->networks[i].line, -1);
    for (size_t i = 0; i < config->portal_group_count; i++)
        for (size_t j = 0; j < config->portal_groups[i].floating_ip_count && !phrase; j++) {
            const struct floating_ip_config *floating = &config->portal_groups[i].floating_ips[j];

            phrase = take(config, &list, &floating->subnet.address, floating->line, 0);
        }
    if (!phrase)
        phrase = take_portals(config, &list);
    free(list.taken);
    return phrase;
}

/* Names of links are short. */
static char *check_names(const struct cluster_config *config)
{
    char *phrase = NULL;

    for (size_t i = 0; i < config->network_count; i++)
        for (size_t j = 0; j < config->node_count && !phrase; j++) {
            char *name = network_plan_port(config, i, config->nodes[j].number);

            if (strlen(name) >= IF_NAMESIZE || strchr(name, ':'))
                phrase = config_wrong(
                    config, config->networks[i].line,
                    "%s cannot be the name of an interface: a shorter name in [cluster] "
                    "makes it one of at most %d characters without a colon",
                    name, IF_NAMESIZE - 1);
            free(name);
        }
    return phrase;
}

char *config_check_networks(struct cluster_config *config)
{
    char *phrase;

    if (config->network == NETWORK_LOOPBACK)
        return check_unused(config);
    phrase = complete_networks(config);
    if (!phrase)
        phrase = check_places(config);
    return phrase || config->network != NETWORK_NETNS ? phrase : check_names(config);
}
