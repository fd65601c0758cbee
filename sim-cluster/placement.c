#include "sim-cluster/placement.h"

static bool can_serve(const struct placement_node *node, uint64_t groups)
{
    return node->can_take && (node->groups & groups) == groups;
}

static bool has_fewer_targets(const struct placement_node *a, const struct placement_node *b)
{
    return a->targets != b->targets ? a->targets < b->targets : a->number < b->number;
}

static bool is_better_holder(const struct placement_node *a, const struct placement_node *b)
{
    if (a->is_near != b->is_near)
        return a->is_near;
    if (a->floating_ips != b->floating_ips)
        return a->floating_ips < b->floating_ips;
    return has_fewer_targets(a, b);
}

typedef bool is_better(const struct placement_node *a, const struct placement_node *b);

static int choose(const struct placement_node *nodes, size_t count, uint64_t groups,
                  is_better *is_better)
{
    const struct placement_node *best = NULL;

    for (size_t i = 0; i < count; i++)
        if (can_serve(&nodes[i], groups) && (!best || is_better(&nodes[i], best)))
            best = &nodes[i];
    return best ? best->number : 0;
}

int placement_for_target(const struct placement_node *nodes, size_t count, uint64_t groups)
{
    return choose(nodes, count, groups, has_fewer_targets);
}

int placement_for_floating_ip(const struct placement_node *nodes, size_t count, int group)
{
    return choose(nodes, count, UINT64_C(1) << group, is_better_holder);
}
