#include "sim-cluster/moves.h"

#include "sim-cluster/announce.h"
#include "sim-cluster/node.h"
#include "target/base/log.h"
#include "target/base/memory.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RELEASE_MARGIN_S 5.0
#define STOP_DEADLINE_S 1.0
#define RETRY_S 1.0

static int number_of(const struct node *node)
{
    return node->state->config->number;
}

static double now(const struct node *node)
{
    return ev_now(node->supervisor->loop);
}

static struct event_field node_field(const char *name, int node)
{
    return node ? number(name, node) : text(name, NULL);
}

static int64_t milliseconds_since(const struct node *node, double since)
{
    return since > 0 ? (int64_t)((now(node) - since) * 1000) : 0;
}

/* ---- targets ---- */

static void place_target(struct supervisor *supervisor, struct cluster_target *target)
{
    int number = cluster_place_target(&supervisor->cluster, target);

    if (!number)
        return;
    target->phase = TARGET_OPENING;
    target->controller = number;
    target->assigned = 0;
    target->retry_at = 0;
    supervisor->targets_stale = true;
    if (!target->home)
        target->home = number;
}

static void lose_target(struct cluster_target *target, double may_place_at)
{
    target->phase = TARGET_NOWHERE;
    target->controller = 0;
    target->may_place_at = may_place_at;
}

static void begin_absence(struct node *node, struct cluster_target *target, enum target_phase phase)
{
    if (target->phase == TARGET_SERVING) {
        target->previous = target->controller;
        target->stopped_at = now(node);
        node->supervisor->published_stale = true;
    }
    target->phase = phase;
}

struct release {
    struct node *node;       /* borrowed */
    struct process *process; /* borrowed: alive when its replies come */
    struct cluster_target *target;
};

/* The fence of a planned move: only an answer says that the volume is closed. */
static void on_released(void *owner, json_t *reply, const char *error)
{
    struct release *release = owner;
    struct cluster_target *target = release->target;
    struct node *node = release->node;

    if (!error && target->phase == TARGET_RELEASING && target->controller == number_of(node)) {
        lose_target(target, now(node));
    } else if (error && !reply && !release->process->is_ended) {
        node_fail(node, "its target process did not release a target in time");
    } else if (error && target->phase == TARGET_RELEASING) {
        log_line(LOG_ERROR, "node %d: %s", number_of(node), error);
        target->wanted = 0;
        target->phase = TARGET_OPENING;
        target->assigned = 0;
        node->supervisor->targets_stale = true;
    }
    free(release);
}

void moves_release_target(struct node *from, struct cluster_target *target, int to)
{
    struct release *release = memory_new(sizeof(*release));
    int timeout_ms = from->supervisor->config->drain_timeout_ms;

    *release = (struct release){from, from->target, target};
    begin_absence(from, target, TARGET_RELEASING);
    target->wanted = to;
    announce_published(from->supervisor); /* nobody is sent there any more, then they are asked */
    process_request(from->target,
                    json_pack("{s:s, s:s, s:i}", "request", "release", "target",
                              target->config->target, "timeout_ms", timeout_ms),
                    timeout_ms / 1000.0 + RELEASE_MARGIN_S, on_released, release);
}

static void arrive(struct node *node, struct cluster_target *target)
{
    target->phase = TARGET_SERVING;
    target->wanted = 0;
    node->supervisor->published_stale = true;
    if (target->previous == number_of(node))
        return; /* it never left */
    event(EVENT_TARGET_MOVED, text("volume", target->config->name),
          text("target", target->config->target), node_field("from", target->previous),
          number("to", number_of(node)),
          number("duration_ms", milliseconds_since(node, target->stopped_at)));
    target->previous = number_of(node);
}

static bool is_opening(const struct cluster_target *target, const struct node *node,
                       int64_t generation)
{
    return target->phase == TARGET_OPENING && target->controller == number_of(node) &&
           target->assigned && target->assigned <= generation;
}

void moves_node_applied(struct node *node, int64_t generation)
{
    struct cluster *cluster = &node->supervisor->cluster;

    for (size_t i = 0; i < cluster->target_count; i++)
        if (is_opening(&cluster->targets[i], node, generation))
            arrive(node, &cluster->targets[i]);
}

/* It may have some of the volumes open, so they stay its own, and it is asked again. */
void moves_node_refused(struct node *node, int64_t generation)
{
    struct supervisor *supervisor = node->supervisor;

    for (size_t i = 0; i < supervisor->cluster.target_count; i++)
        if (is_opening(&supervisor->cluster.targets[i], node, generation))
            supervisor->cluster.targets[i].retry_at = now(node) + RETRY_S;
}

/* ---- floating IPs ---- */

static void lose_floating_ip(struct cluster_floating_ip *floating, double may_place_at)
{
    floating->phase = FLOATING_NOWHERE;
    floating->node = 0;
    floating->may_place_at = may_place_at;
}

static void place_floating_ip(struct supervisor *supervisor, struct cluster_floating_ip *floating)
{
    int number = cluster_place_floating_ip(&supervisor->cluster, floating);

    if (!number)
        return;
    floating->phase = FLOATING_STARTING;
    floating->node = number;
    supervisor->published_stale = true;
    if (!floating->home)
        floating->home = number;
    if (node_hold(supervisor_find_node(supervisor, number), floating))
        lose_floating_ip(floating, ev_now(supervisor->loop) + RETRY_S);
}

static void take_down(struct node *node, struct cluster_floating_ip *floating, const char *why)
{
    char address[ADDRESS_TEXT_SIZE];

    if (floating->phase == FLOATING_UP) {
        floating->previous = floating->node;
        floating->stopped_at = now(node);
        event(EVENT_FLOATING_IP_DOWN,
              text("address", address_format_host(&floating->config->subnet.address, address)),
              number("node", number_of(node)), text("reason", why));
    }
    floating->phase = FLOATING_STOPPING;
    node->supervisor->published_stale = true;
}

static void on_stopped(void *owner, json_t *reply, const char *error)
{
    struct process *process = owner;

    (void)reply;
    if (error && !process->is_ended)
        process_signal(process, SIGKILL);
}

void moves_stop_floating_ip(struct node *from, struct cluster_floating_ip *floating, int to)
{
    struct process *process = supervisor_find_holder(from, floating);

    take_down(from, floating, "moves");
    floating->wanted = to;
    process->is_expected = true;
    process_request(process, json_pack("{s:s}", "request", "stop"), STOP_DEADLINE_S, on_stopped,
                    process);
}

void moves_holder_applied(struct node *node, struct cluster_floating_ip *floating)
{
    char address[ADDRESS_TEXT_SIZE];

    if (floating->phase != FLOATING_STARTING || floating->node != number_of(node))
        return;
    floating->phase = FLOATING_UP;
    floating->wanted = 0;
    event(EVENT_FLOATING_IP_UP,
          text("address", address_format_host(&floating->config->subnet.address, address)),
          number("node", number_of(node)), node_field("from", floating->previous),
          number("duration_ms", milliseconds_since(node, floating->stopped_at)));
}

void moves_holder_refused(struct node *node, struct process *process, const char *error)
{
    struct cluster_floating_ip *floating = process->subject;

    if (node->supervisor->phase == SUPERVISOR_STARTING)
        supervisor_fail_start(node->supervisor, memory_copy_text(error));
    log_line(LOG_ERROR, "node %d: %s", number_of(node), error);
    take_down(node, floating, error);
    floating->may_place_at = now(node) + RETRY_S;
    process->is_expected = true;
    process_signal(process, SIGKILL);
}

void moves_holder_ended(struct node *node, struct cluster_floating_ip *floating)
{
    if (floating->phase == FLOATING_STOPPING && floating->node == number_of(node) &&
        node->state->stage == STAGE_SERVING)
        lose_floating_ip(floating, floating->may_place_at);
}

/* ---- a node fails ---- */

void moves_node_lost(struct node *node)
{
    struct cluster *cluster = &node->supervisor->cluster;

    for (size_t i = 0; i < cluster->target_count; i++)
        if (cluster->targets[i].controller == number_of(node))
            begin_absence(node, &cluster->targets[i], TARGET_LOST);
    for (size_t i = 0; i < cluster->floating_ip_count; i++)
        if (cluster->floating_ips[i].node == number_of(node))
            take_down(node, &cluster->floating_ips[i], "its node failed");
}

void moves_node_gone(struct node *node)
{
    struct supervisor *supervisor = node->supervisor;
    struct cluster *cluster = &supervisor->cluster;
    const struct cluster_config *config = supervisor->config;

    for (size_t i = 0; i < cluster->target_count; i++)
        if (cluster->targets[i].controller == number_of(node))
            lose_target(&cluster->targets[i], now(node) + config->target_move_delay_ms / 1000.0);
    for (size_t i = 0; i < cluster->floating_ip_count; i++)
        if (cluster->floating_ips[i].node == number_of(node))
            lose_floating_ip(&cluster->floating_ips[i],
                             now(node) + config->floating_move_delay_ms / 1000.0);
}

/* ---- each turn ---- */

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

        if (target->phase == TARGET_SERVING && target->controller == number_of(node) &&
            has_elsewhere(supervisor, target))
            moves_release_target(node, target, 0);
    }
    for (size_t i = 0; i < cluster->floating_ip_count; i++) {
        struct cluster_floating_ip *floating = &cluster->floating_ips[i];

        if (floating->phase == FLOATING_UP && floating->node == number_of(node) &&
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

    if (target->phase == TARGET_SERVING && target->home == number_of(home) && from != home &&
        moves_can_leave(from) && cluster_can_take_target(home->state, target))
        moves_release_target(from, target, target->home);
}

static void bring_floating_ip(struct node *home, struct cluster_floating_ip *floating)
{
    struct node *from = supervisor_find_node(home->supervisor, floating->node);

    if (floating->phase == FLOATING_UP && floating->home == number_of(home) && from != home &&
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
    if (target->phase == TARGET_NOWHERE && is_due(supervisor, target->may_place_at))
        place_target(supervisor, target);
    if (target->phase == TARGET_OPENING && target->retry_at &&
        is_due(supervisor, target->retry_at)) {
        target->retry_at = 0;
        target->assigned = 0;
        supervisor->targets_stale = true;
    }
}

void moves_turn(struct supervisor *supervisor)
{
    struct cluster *cluster = &supervisor->cluster;

    for (size_t i = 0; i < cluster->target_count; i++)
        turn_target(supervisor, &cluster->targets[i]);
    for (size_t i = 0; i < cluster->floating_ip_count; i++) {
        struct cluster_floating_ip *floating = &cluster->floating_ips[i];

        if (floating->phase == FLOATING_NOWHERE && is_due(supervisor, floating->may_place_at))
            place_floating_ip(supervisor, floating);
    }
    for (size_t i = 0; i < cluster->node_count; i++) {
        struct node *node = &supervisor->nodes[i];

        if (node->state->stage == STAGE_SERVING && node->state->state == NODE_DRAINING)
            leave(node);
        if (node->takes_back)
            come_home(node);
    }
}
