#include "sim-cluster/moves.h"

#include "sim-cluster/announce.h"
#include "sim-cluster/moves_parts.h"

void moves_node_lost(struct node *node)
{
    struct cluster *cluster = &node->supervisor->cluster;

    for (size_t i = 0; i < cluster->target_count; i++)
        if (cluster->targets[i].controller == node_number(node))
            moves_begin_absence(node, &cluster->targets[i], TARGET_LOST);
    for (size_t i = 0; i < cluster->floating_ip_count; i++)
        if (cluster->floating_ips[i].node == node_number(node))
            moves_take_down(node, &cluster->floating_ips[i], "its node failed");
}

void moves_node_gone(struct node *node)
{
    struct supervisor *supervisor = node->supervisor;
    struct cluster *cluster = &supervisor->cluster;
    const struct cluster_config *config = supervisor->config;

    for (size_t i = 0; i < cluster->target_count; i++)
        if (cluster->targets[i].controller == node_number(node))
            moves_lose_target(supervisor, &cluster->targets[i],
                              node_now(node) + config->target_move_delay_ms / 1000.0);
    for (size_t i = 0; i < cluster->floating_ip_count; i++)
        if (cluster->floating_ips[i].node == node_number(node))
            moves_lose_floating_ip(supervisor, &cluster->floating_ips[i],
                                   node_now(node) + config->floating_move_delay_ms / 1000.0);
}

static bool has_elsewhere(struct supervisor *supervisor, const struct cluster_target *target)
{
    int number = cluster_place_target(&supervisor->cluster, target);

    return number && number != target->controller;
}

static void leave(struct node *node)
{
    struct supervisor *supervisor = node->supervisor;
    struct cluster *cluster = &supervisor->cluster;

    for (size_t i = 0; i < cluster->target_count; i++) {
        struct cluster_target *target = &cluster->targets[i];

        if (target->phase == TARGET_SERVING && target->controller == node_number(node) &&
            has_elsewhere(supervisor, target))
            moves_release_target(node, target, 0);
    }
    for (size_t i = 0; i < cluster->floating_ip_count; i++) {
        struct cluster_floating_ip *floating = &cluster->floating_ips[i];

        if (floating->phase == FLOATING_UP && floating->node == node_number(node) &&
            cluster_place_floating_ip(cluster, floating))
            moves_stop_floating_ip(node, floating, 0);
    }
}

bool moves_can_leave(const struct node *node)
{
    return node && node->state->stage == STAGE_SERVING && !node->is_silenced &&
           node->state->state != NODE_FROZEN;
}

static void bring_target(struct node *home, struct cluster_target *target)
{
    struct node *from = supervisor_find_node(home->supervisor, target->controller);

    if (target->phase == TARGET_SERVING && target->home == node_number(home) && from != home &&
        moves_can_leave(from) && cluster_can_take_target(home->state, target))
        moves_release_target(from, target, target->home);
}

static void bring_floating_ip(struct node *home, struct cluster_floating_ip *floating)
{
    struct node *from = supervisor_find_node(home->supervisor, floating->node);

    if (floating->phase == FLOATING_UP && floating->home == node_number(home) && from != home &&
        moves_can_leave(from) && cluster_can_take_floating_ip(home->state, floating))
        moves_stop_floating_ip(from, floating, floating->home);
}

static void come_home(struct node *node)
{
    struct cluster *cluster = &node->supervisor->cluster;

    node->takes_back = false;
    for (size_t i = 0; i < cluster->target_count; i++)
        bring_target(node, &cluster->targets[i]);
    for (size_t i = 0; i < cluster->floating_ip_count; i++)
        bring_floating_ip(node, &cluster->floating_ips[i]);
}

/* The next turn comes no later than this. */
static void wake_at(struct supervisor *supervisor, double at)
{
    double after = at - ev_now(supervisor->loop);

    if (ev_is_active(&supervisor->wake) &&
        ev_timer_remaining(supervisor->loop, &supervisor->wake) <= after)
        return;
    ev_timer_stop(supervisor->loop, &supervisor->wake);
    ev_timer_set(&supervisor->wake, after, 0);
    ev_timer_start(supervisor->loop, &supervisor->wake);
}

static bool is_due(struct supervisor *supervisor, double may_place_at)
{
    if (may_place_at <= ev_now(supervisor->loop))
        return true;
    wake_at(supervisor, may_place_at);
    return false;
}

static void turn_target(struct supervisor *supervisor, struct cluster_target *target)
{
    if (target->phase == TARGET_RELEASING && target->release_after &&
        announce_is_known(supervisor, target->release_after))
        moves_ask_release(supervisor_find_node(supervisor, target->controller), target);
    if (target->phase == TARGET_NOWHERE && is_due(supervisor, target->may_place_at))
        moves_place_target(supervisor, target);
    if (target->phase == TARGET_OPENING && target->retry_at &&
        is_due(supervisor, target->retry_at)) {
        target->retry_at = 0;
        target->assigned = 0;
        supervisor->targets_stale = true;
    }
}

static void turn_targets(struct supervisor *supervisor)
{
    struct cluster *cluster = &supervisor->cluster;

    supervisor->has_unplaced = false;
    for (size_t i = 0; i < cluster->target_count; i++) {
        struct cluster_target *target = &cluster->targets[i];

        turn_target(supervisor, target);
        supervisor->has_unplaced |=
            target->phase == TARGET_NOWHERE || target->retry_at > 0 || target->release_after > 0;
    }
}

void moves_turn(struct supervisor *supervisor)
{
    struct cluster *cluster = &supervisor->cluster;

    if (supervisor->has_unplaced)
        turn_targets(supervisor);
    for (size_t i = 0; i < cluster->floating_ip_count; i++) {
        struct cluster_floating_ip *floating = &cluster->floating_ips[i];

        if (floating->phase == FLOATING_NOWHERE && is_due(supervisor, floating->may_place_at))
            moves_place_floating_ip(supervisor, floating);
    }
    for (size_t i = 0; i < cluster->node_count; i++) {
        struct node *node = &supervisor->nodes[i];

        if (node->state->stage == STAGE_SERVING && node->state->state == NODE_DRAINING)
            leave(node);
        if (node->takes_back)
            come_home(node);
    }
}
