#include "sim-cluster/moves_parts.h"

#include "sim-cluster/announce.h"
#include "target/base/log.h"
#include "target/base/memory.h"

#include <stdlib.h>

#define RELEASE_MARGIN_S 5.0

void moves_place_target(struct supervisor *supervisor, struct cluster_target *target)
{
    int number = cluster_place_target(&supervisor->cluster, target);

    if (!number)
        return;
    target->phase = TARGET_OPENING;
    cluster_set_controller(&supervisor->cluster, target, number);
    target->assigned = 0;
    target->retry_at = 0;
    supervisor->targets_stale = true;
    if (!target->home)
        target->home = number;
}

void moves_lose_target(struct supervisor *supervisor, struct cluster_target *target,
                       double may_place_at)
{
    supervisor->has_unplaced = true;
    target->phase = TARGET_NOWHERE;
    target->release_after = 0;
    cluster_set_controller(&supervisor->cluster, target, 0);
    target->may_place_at = may_place_at;
}

void moves_begin_absence(struct node *node, struct cluster_target *target, enum target_phase phase)
{
    if (target->phase == TARGET_SERVING) {
        target->former = target->previous = target->controller;
        target->moved_at = 0;
        target->stopped_at = phase == TARGET_LOST ? node->failed_at : node_now(node);
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

    if (!error && target->phase == TARGET_RELEASING && target->controller == node_number(node)) {
        moves_lose_target(node->supervisor, target, node_now(node));
    } else if (error && !reply && !release->process->is_ended) {
        node_fail(node, "its target process did not release a target in time");
    } else if (reply && error && target->phase == TARGET_RELEASING) {
        log_line(LOG_ERROR, "node %d: %s", node_number(node), error);
        target->wanted = 0;
        target->phase = TARGET_OPENING;
        target->assigned = 0;
        node->supervisor->targets_stale = true;
    }
    free(release);
}

void moves_release_target(struct node *from, struct cluster_target *target, int to)
{
    moves_begin_absence(from, target, TARGET_RELEASING);
    target->wanted = to;
    target->release_after = from->supervisor->cluster.generation + 1;
    from->supervisor->has_unplaced = true;
}

void moves_ask_release(struct node *from, struct cluster_target *target)
{
    struct release *release = memory_new(sizeof(*release));
    int timeout_ms = from->supervisor->config->drain_timeout_ms;

    *release = (struct release){from, from->target, target};
    target->release_after = 0;
    process_request(from->target,
                    json_pack("{s:s, s:s, s:i}", "request", "release", "target",
                              target->config->target, "timeout_ms", timeout_ms),
                    timeout_ms / 1000.0 + RELEASE_MARGIN_S, on_released, release);
}

static uint64_t bit_of(const struct node *node)
{
    return UINT64_C(1) << (node - node->supervisor->nodes);
}

static void arrive(struct node *node, struct cluster_target *target)
{
    target->phase = TARGET_SERVING;
    target->wanted = 0;
    target->refused = target->told = 0;
    free(target->problem);
    target->problem = NULL;
    node->supervisor->published_stale = true;
    if (target->previous == node_number(node)) { /* it never left */
        target->former = 0;
        return;
    }
    target->moved_at = event_now();
    event(EVENT_TARGET_MOVED, text("volume", target->config->name),
          text("target", target->config->target), moves_node_field("from", target->previous),
          number("to", node_number(node)),
          number("duration_ms", moves_milliseconds_since(node, target->stopped_at)));
    target->previous = node_number(node);
}

static bool is_opening(const struct cluster_target *target, const struct node *node,
                       int64_t generation)
{
    return target->phase == TARGET_OPENING && target->controller == node_number(node) &&
           target->assigned && target->assigned <= generation;
}

static void say_problem(struct node *node, struct cluster_target *target, const char *why)
{
    free(target->problem);
    target->problem = memory_format("node %d: %s", node_number(node), why);
    if (!(target->told & bit_of(node)))
        event(EVENT_VOLUME_FAILED, text("volume", target->config->name),
              number("node", node_number(node)), text("reason", why));
    target->told |= bit_of(node);
    if (node->supervisor->phase == SUPERVISOR_STARTING)
        supervisor_fail_start(node->supervisor, target->problem);
}

/* Another node may be able to; when none is left, all of them are asked again a little later. */
static void pass_on(struct node *node, struct cluster_target *target, const char *why)
{
    struct cluster *cluster = &node->supervisor->cluster;

    say_problem(node, target, why);
    target->refused |= bit_of(node);
    moves_lose_target(node->supervisor, target, node_now(node));
    if (cluster_place_target(cluster, target))
        return;
    target->refused = 0;
    target->may_place_at = node_now(node) + MOVES_RETRY_S;
}

/* A volume that could not be opened may be by a later map that is on its way: the answer to the
 * last one counts. */
void moves_node_applied(struct node *node, int64_t generation, const json_t *failed)
{
    struct cluster *cluster = &node->supervisor->cluster;

    for (size_t i = 0; i < cluster->target_count; i++) {
        struct cluster_target *target = &cluster->targets[i];
        const char *why = json_string_value(json_object_get(failed, target->config->target));

        if (!is_opening(target, node, generation))
            continue;
        if (!why)
            arrive(node, target);
        else if (generation == node->announced)
            pass_on(node, target, why);
    }
}

/* It may have some of the volumes open, so they stay its own, and it is asked again. */
void moves_node_refused(struct node *node, int64_t generation)
{
    struct supervisor *supervisor = node->supervisor;

    for (size_t i = 0; i < supervisor->cluster.target_count; i++)
        if (is_opening(&supervisor->cluster.targets[i], node, generation))
            supervisor->cluster.targets[i].retry_at = node_now(node) + MOVES_RETRY_S;
    supervisor->has_unplaced = true;
}
