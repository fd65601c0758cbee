#include "sim-cluster/cluster.h"

#include "sim-cluster/exports.h"
#include "sim-cluster/placement.h"
#include "target/base/memory.h"

#include <stdlib.h>
#include <string.h>

static uint64_t groups_of_node(const struct cluster_config *config, const struct node_config *node)
{
    uint64_t groups = 0;

    for (size_t i = 0; i < node->portal_count; i++)
        groups |= UINT64_C(1) << cluster_config_find_group(config, node->portals[i].group);
    return groups;
}

static void init_floating_ips(struct cluster *cluster, int group)
{
    const struct portal_group_config *config = &cluster->config->portal_groups[group];

    for (size_t i = 0; i < config->floating_ip_count; i++)
        cluster->floating_ips[cluster->floating_ip_count++] =
            (struct cluster_floating_ip){.config = &config->floating_ips[i], .group = group};
}

void cluster_init(struct cluster *cluster, const struct cluster_config *config)
{
    size_t floating_ip_count = 0;

    for (size_t i = 0; i < config->portal_group_count; i++)
        floating_ip_count += config->portal_groups[i].floating_ip_count;
    *cluster = (struct cluster){
        .config = config,
        .nodes = memory_new(config->node_count * sizeof(*cluster->nodes)),
        .targets = memory_new(config->volume_count * sizeof(*cluster->targets)),
        .groups = memory_new(config->portal_group_count * sizeof(*cluster->groups)),
        .pools = memory_new(config->pool_count * sizeof(*cluster->pools)),
        .floating_ips = memory_new(floating_ip_count * sizeof(*cluster->floating_ips)),
        .node_count = config->node_count,
        .target_count = config->volume_count,
    };
    for (size_t i = 0; i < config->node_count; i++)
        cluster->nodes[i] = (struct cluster_node){
            .config = &config->nodes[i],
            .state = NODE_DOWN,
            .groups = groups_of_node(config, &config->nodes[i]),
        };
    for (size_t i = 0; i < config->volume_count; i++)
        cluster->targets[i] = (struct cluster_target){
            .config = &config->volumes[i],
            .size = config->volumes[i].size,
            .last_export = -1,
        };
    for (size_t i = 0; i < config->pool_count; i++)
        cluster->pools[i] = (struct cluster_pool){&config->pools[i], config->pools[i].size};
    for (size_t i = 0; i < config->portal_group_count; i++) {
        cluster->groups[i].config = &config->portal_groups[i];
        init_floating_ips(cluster, (int)i);
    }
    for (size_t i = 0; i < config->volume_count; i++) {
        name_index_add(&cluster->volumes, config->volumes[i].name, i);
        name_index_add(&cluster->target_names, config->volumes[i].target, i);
    }
    exports_init(cluster);
}

void cluster_free(struct cluster *cluster)
{
    for (size_t i = 0; i < cluster->node_count; i++)
        buffer_free(&cluster->nodes[i].sessions);
    for (size_t i = 0; i < cluster->target_count; i++)
        free(cluster->targets[i].problem);
    exports_free(cluster);
    name_index_free(&cluster->volumes);
    name_index_free(&cluster->target_names);
    free(cluster->nodes);
    free(cluster->groups);
    free(cluster->pools);
    free(cluster->targets);
    free(cluster->floating_ips);
}

struct cluster_node *cluster_find_node(struct cluster *cluster, int number)
{
    for (size_t i = 0; i < cluster->node_count; i++)
        if (cluster->nodes[i].config->number == number)
            return &cluster->nodes[i];
    return NULL;
}

struct cluster_target *cluster_find_target(struct cluster *cluster, const char *volume_or_name)
{
    ptrdiff_t index = name_index_find(&cluster->volumes, volume_or_name);

    if (index < 0)
        index = name_index_find(&cluster->target_names, volume_or_name);
    return index < 0 ? NULL : &cluster->targets[index];
}

int cluster_find_volume(const struct cluster *cluster, const char *name)
{
    return (int)name_index_find(&cluster->volumes, name);
}

void cluster_set_controller(struct cluster *cluster, struct cluster_target *target, int node)
{
    struct cluster_node *from = cluster_find_node(cluster, target->controller);
    struct cluster_node *to = cluster_find_node(cluster, node);

    if (from)
        from->target_count--;
    if (to)
        to->target_count++;
    target->controller = node;
}

struct cluster_pool *cluster_find_pool(struct cluster *cluster, const char *name)
{
    for (size_t i = 0; i < cluster->config->pool_count; i++)
        if (!strcmp(cluster->pools[i].config->name, name))
            return &cluster->pools[i];
    return NULL;
}

struct cluster_floating_ip *cluster_find_floating_ip(struct cluster *cluster, const char *text)
{
    struct address address;

    if (!address_parse(&address, text, 0))
        return NULL;
    for (size_t i = 0; i < cluster->floating_ip_count; i++) {
        const struct address *own = &cluster->floating_ips[i].config->subnet.address;

        if (address_is_same_host(own, &address) && (!address.port || address.port == own->port))
            return &cluster->floating_ips[i];
    }
    return NULL;
}

static bool can_take(const struct cluster_node *node)
{
    return node->stage == STAGE_SERVING && node->state != NODE_DRAINING && !node->refuses;
}

bool cluster_can_take_target(const struct cluster_node *node, const struct cluster_target *target)
{
    return node && can_take(node) && (node->groups & target->groups) == target->groups;
}

bool cluster_can_take_floating_ip(const struct cluster_node *node,
                                  const struct cluster_floating_ip *floating)
{
    return node && can_take(node) && node->groups & UINT64_C(1) << floating->group;
}

static bool is_near(const struct cluster *cluster, const struct node_config *node,
                    const struct cluster_floating_ip *floating)
{
    const char *group = cluster->config->portal_groups[floating->group].name;

    for (size_t i = 0; i < node->portal_count; i++)
        if (!strcmp(node->portals[i].group, group) &&
            subnet_contains(&floating->config->subnet, &node->portals[i].address))
            return true;
    return false;
}

/* `floating`: the one to be placed, or NULL. */
static struct placement_node *picture(struct cluster *cluster,
                                      const struct cluster_floating_ip *floating)
{
    struct placement_node *nodes = memory_new(cluster->node_count * sizeof(*nodes));

    for (size_t i = 0; i < cluster->node_count; i++) {
        const struct cluster_node *node = &cluster->nodes[i];

        nodes[i].number = node->config->number;
        nodes[i].can_take = can_take(node);
        nodes[i].groups = node->groups;
        nodes[i].is_near = floating && is_near(cluster, node->config, floating);
        nodes[i].targets = node->target_count;
        for (size_t j = 0; j < cluster->floating_ip_count; j++)
            nodes[i].floating_ips += cluster->floating_ips[j].node == nodes[i].number;
    }
    return nodes;
}

static bool has_refused(const struct cluster *cluster, const struct cluster_node *node,
                        const struct cluster_target *target)
{
    return target->refused >> (node - cluster->nodes) & 1;
}

int cluster_place_target(struct cluster *cluster, const struct cluster_target *target)
{
    const struct cluster_node *wanted = cluster_find_node(cluster, target->wanted);

    if (cluster_can_take_target(wanted, target) && !has_refused(cluster, wanted, target))
        return target->wanted;
    struct placement_node *nodes = picture(cluster, NULL);

    for (size_t i = 0; i < cluster->node_count; i++)
        nodes[i].can_take &= !has_refused(cluster, &cluster->nodes[i], target);
    int number = placement_for_target(nodes, cluster->node_count, target->groups);

    free(nodes);
    return number;
}

int cluster_place_floating_ip(struct cluster *cluster, const struct cluster_floating_ip *floating)
{
    if (floating->is_withheld)
        return 0;
    if (cluster_can_take_floating_ip(cluster_find_node(cluster, floating->wanted), floating))
        return floating->wanted;
    struct placement_node *nodes = picture(cluster, floating);
    int number = placement_for_floating_ip(nodes, cluster->node_count, floating->group);

    free(nodes);
    return number;
}

int cluster_published_controller(const struct cluster_target *target)
{
    return target->phase == TARGET_SERVING ? target->controller : 0;
}

int cluster_published_holder(const struct cluster_floating_ip *floating)
{
    return floating->phase == FLOATING_UP ? floating->node : 0;
}
