#include "sim-cluster/node_verbs.h"

#include "sim-cluster/announce.h"
#include "sim-cluster/moves.h"
#include "sim-cluster/node.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

#define IN(state) (1 << (state))

/* ---- when it is done ---- */

static json_t *check_killed(struct supervisor *supervisor, const struct pending *pending)
{
    return list_is_empty(&pending->node->processes) ? pending_done(supervisor, pending) : NULL;
}

static json_t *check_asked(struct supervisor *supervisor, const struct pending *pending)
{
    return pending->node->asked ? NULL : pending_done(supervisor, pending);
}

static json_t *check_started(struct supervisor *supervisor, const struct pending *pending)
{
    const struct node *node = pending->node;

    if (node->state->stage == STAGE_SERVING && node->state->state == NODE_UP)
        return pending_done(supervisor, pending);
    if (node->state->stage == STAGE_GONE && !node->wants_start)
        return pending_error("node %d did not start: %s", node_number(node),
                             node->why ? node->why : "it was stopped");
    return NULL;
}

/* Is something of the node still there, or on its way from it? */
static bool is_leaving(const struct cluster *cluster, int node)
{
    for (size_t i = 0; i < cluster->target_count; i++) {
        const struct cluster_target *target = &cluster->targets[i];

        if (target->controller == node ||
            (target->previous == node && target->phase != TARGET_SERVING))
            return true;
    }
    for (size_t i = 0; i < cluster->floating_ip_count; i++) {
        const struct cluster_floating_ip *floating = &cluster->floating_ips[i];

        if (floating->node == node ||
            (floating->previous == node && floating->phase != FLOATING_UP))
            return true;
    }
    return false;
}

static json_t *check_drained(struct supervisor *supervisor, const struct pending *pending)
{
    const struct node *node = pending->node;

    if (node->state->state != NODE_DRAINING)
        return pending_error("node %d is %s: it was not drained", node_number(node),
                             node_state_names[node->state->state]);
    if (is_leaving(&supervisor->cluster, node_number(node)) || !announce_is_all_known(supervisor))
        return NULL;
    return pending_done(supervisor, pending);
}

/* ---- what it does ---- */

static json_t *run_kill(struct node *node)
{
    node_signal(node, SIGKILL);
    node_set_state(node, NODE_DOWN);
    return NULL;
}

static json_t *run_freeze(struct node *node)
{
    node->was_draining = node->state->state == NODE_DRAINING;
    node_signal(node, SIGSTOP);
    node_set_state(node, NODE_FROZEN);
    return NULL;
}

static json_t *run_thaw(struct node *node)
{
    if (node->state->stage != STAGE_SERVING)
        return pending_error("node %d has been given up already", node_number(node));
    LIST_FOR_EACH (link, &node->processes)
        container_of(link, struct process, link)->heard_at = ev_now(node->supervisor->loop);
    node_signal(node, SIGCONT);
    node_set_state(node, node->was_draining ? NODE_DRAINING : NODE_UP);
    return NULL;
}

static json_t *run_power_off(struct node *node)
{
    node_power_off(node);
    return NULL;
}

static json_t *isolate(struct node *node, enum network_direction direction)
{
    char *wrong = node_isolate(node, direction);
    json_t *refusal = wrong ? pending_error("node %d: %s", node_number(node), wrong) : NULL;

    free(wrong);
    return refusal;
}

static json_t *run_isolate(struct node *node)
{
    return isolate(node, NETWORK_BOTH);
}

static json_t *run_isolate_in(struct node *node)
{
    return isolate(node, NETWORK_IN);
}

static json_t *run_isolate_out(struct node *node)
{
    return isolate(node, NETWORK_OUT);
}

/* Nothing may have to stay. */
static json_t *run_drain(struct node *node)
{
    struct cluster *cluster = &node->supervisor->cluster;
    json_t *refusal = NULL;

    node->state->state = NODE_DRAINING; /* as placement has to see it */
    for (size_t i = 0; i < cluster->target_count && !refusal; i++)
        if (cluster->targets[i].controller == node_number(node) &&
            !cluster_place_target(cluster, &cluster->targets[i]))
            refusal = pending_error("no other node can take %s", cluster->targets[i].config->name);
    for (size_t i = 0; i < cluster->floating_ip_count && !refusal; i++)
        if (cluster->floating_ips[i].node == node_number(node) &&
            !cluster_place_floating_ip(cluster, &cluster->floating_ips[i]))
            refusal = pending_error("no other node can take its floating IP");
    node->state->state = NODE_UP;
    if (!refusal)
        node_set_state(node, NODE_DRAINING);
    return refusal;
}

static json_t *run_start(struct node *node)
{
    if (node->state->state == NODE_DRAINING)
        node_set_state(node, NODE_UP);
    else if (node->state->stage == STAGE_GONE)
        node_start(node);
    else if (node->state->stage != STAGE_STARTING)
        node->wants_start = true;
    return NULL;
}

typedef json_t *verb_run(struct node *node);

enum {
    RUNS = IN(NODE_UP) | IN(NODE_DRAINING),
    IS_THERE = RUNS | IN(NODE_FROZEN),
    CAN_START = IN(NODE_DOWN) | IN(NODE_OFF) | IN(NODE_ISOLATED) | IN(NODE_DRAINING),
};

/* clang-format off */
static const struct {
    const char *name;
    int states; /* in which it is possible */
    verb_run *run;
    pending_check *check;
} verbs[] = {
    { "kill",        IS_THERE | IN(NODE_ISOLATED), run_kill,        check_killed },
    { "freeze",      RUNS,                         run_freeze,      check_asked },
    { "thaw",        IN(NODE_FROZEN),              run_thaw,        check_asked },
    { "power-off",   IS_THERE,                     run_power_off,   check_killed },
    { "isolate",     RUNS,                         run_isolate,     check_asked },
    { "isolate in",  RUNS,                         run_isolate_in,  check_asked },
    { "isolate out", RUNS,                         run_isolate_out, check_asked },
    { "drain",       IN(NODE_UP),                  run_drain,       check_drained },
    { "start",       CAN_START,                    run_start,       check_started },
};
/* clang-format on */

json_t *node_verbs_run(struct node *node, const char *verb, pending_check **check)
{
    for (size_t i = 0; i < sizeof(verbs) / sizeof(*verbs); i++) {
        if (strcmp(verbs[i].name, verb))
            continue;
        if (!(verbs[i].states & IN(node->state->state)))
            return pending_error("node %d is %s: it cannot %s now", node_number(node),
                                 node_state_names[node->state->state], verb);
        *check = verbs[i].check;
        return verbs[i].run(node);
    }
    return pending_error("there is no verb %s for a node", verb);
}
