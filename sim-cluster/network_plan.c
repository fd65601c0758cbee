#include "sim-cluster/network_plan.h"

#include "target/base/memory.h"

static const struct subnet *find_subnet(const struct network_config *network,
                                        const struct address *address)
{
    for (size_t i = 0; i < network->subnet_count; i++)
        if (subnet_contains(&network->subnets[i], address))
            return &network->subnets[i];
    return NULL;
}

int network_plan_find(const struct cluster_config *config, const struct address *address,
                      size_t from)
{
    for (size_t i = from; i < config->network_count; i++)
        if (find_subnet(&config->networks[i], address))
            return (int)i;
    return -1;
}

struct subnet network_plan_subnet(const struct network_config *network,
                                  const struct address *address)
{
    return (struct subnet){*address, find_subnet(network, address)->prefix};
}

/* FNV-1a, 32 bits, over a text and its end. */
static uint32_t hash_text(uint32_t hash, const char *text)
{
    do
        hash = (hash ^ (uint8_t)*text) * 16777619u;
    while (*text++);
    return hash;
}

void network_plan_mac(uint8_t mac[static NETWORK_MAC_SIZE], const struct cluster_config *config,
                      size_t network, int node)
{
    uint32_t hash = hash_text(2166136261u, config->base_name);

    hash = hash_text(hash, config->name);
    hash = hash_text(hash, config->networks[network].name);
    mac[0] = 0x02; /* locally administered, unicast */
    mac[1] = (uint8_t)(hash >> 16 ^ hash >> 24);
    mac[2] = (uint8_t)(hash >> 8);
    mac[3] = (uint8_t)hash;
    mac[4] = (uint8_t)(node >> 8);
    mac[5] = (uint8_t)node;
}

char *network_plan_namespace(const struct cluster_config *config, int node)
{
    return memory_format("%s-node%d", config->name, node);
}

char *network_plan_own(const struct cluster_config *config, size_t network)
{
    const struct network_config *own = &config->networks[network];

    return own->uplink == UPLINK_BRIDGE ? memory_copy_text(own->device)
                                        : memory_format("%s-%s", config->name, own->name);
}

char *network_plan_port(const struct cluster_config *config, size_t network, int node)
{
    return memory_format("%s-%s-%d", config->name, config->networks[network].name, node);
}

char *network_plan_wire(const struct cluster_config *config, size_t network, int node, char end)
{
    return memory_format("%s-%s-%d%c", config->name, config->networks[network].name, node, end);
}
