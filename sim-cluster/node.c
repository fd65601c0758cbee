#include "sim-cluster/node.h"

#include "sim-cluster/moves.h"
#include "target/base/log.h"
#include "target/base/memory.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COME_TO_REST_S 0.01
#define ISOLATE_DEADLINE_S 0.5

static bool is_silent(const struct node *node, double since)
{
    return node_now(node) - since > node->supervisor->config->node_timeout_ms / 1000.0;
}

void node_set_state(struct node *node, enum node_state state)
{
    enum node_state was = node->state->state;

    if (was == state)
        return;
    node->state->state = state;
    event(EVENT_NODE_STATE, number("node", node_number(node)),
          text("state", node_state_names[state]), text("was", node_state_names[was]));
}

void node_signal(struct node *node, int signal)
{
    LIST_FOR_EACH (link, &node->processes)
        process_signal(container_of(link, struct process, link), signal);
}

/* ---- failing ---- */

/* Before its processes are killed; where its link is dark, nobody would hear of that anyway. */
static void mute(struct node *node)
{
    struct network *network = &node->supervisor->network;
    size_t connections = 0;

    if (network_is_cut_by_link(network))
        return;
    LIST_FOR_EACH (link, &node->processes) {
        struct process *process = container_of(link, struct process, link);

        connections =
            network_mute(network, node_number(node), process->pid, process_descriptor(process));
    }
    event(EVENT_CONNECTIONS_MUTED, number("node", node_number(node)),
          number("connections", (int64_t)connections));
}

/* Nothing more is heard from it. */
static void go_dark(struct node *node)
{
    char *wrong = network_cut(&node->supervisor->network, node_number(node), NETWORK_BOTH);

    if (wrong)
        log_line(LOG_ERROR, "node %d: %s", node_number(node), wrong);
    free(wrong);
}

static void forget_sessions(struct node *node)
{
    buffer_free(&node->state->sessions);
    node->state->session_count = 0;
}

void node_finish_fencing(struct node *node)
{
    if (!list_is_empty(&node->processes) ||
        failover_step(&node->state->stage, NODE_REAPED) != NODE_DO_PLACE)
        return;
    forget_sessions(node);
    event(EVENT_NODE_FENCED, number("node", node_number(node)),
          number("duration_ms", (int64_t)((node_now(node) - node->failed_at) * 1000)));
    moves_node_gone(node);
    if (node->wants_start)
        node_start(node);
}

static void fence(struct node *node, bool was_serving)
{
    if (was_serving)
        event(EVENT_NODE_FAILED, number("node", node_number(node)), text("reason", node->why));
    if (node->state->state == NODE_ISOLATED) {
        go_dark(node); /* it may have been isolated in one direction only */
        mute(node);
    }
    ev_timer_stop(node->supervisor->loop, &node->settled);
    node->takes_back = false;
    node_signal(node, SIGKILL);
    node_set_state(node, failover_state_when_fenced(node->state->state));
    moves_node_lost(node);
    node_finish_fencing(node);
}

static void on_detected(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)loop, (void)events;
    struct node *node = container_of(timer, struct node, detect);

    if (failover_step(&node->state->stage, NODE_DETECTED) == NODE_DO_FENCE)
        fence(node, true);
}

/* What happens to a node that nobody hears from is not known before it is missed. */
static bool is_unknown(const struct node *node)
{
    return node->is_silenced && !is_silent(node, node->silent_since);
}

static void spoil_start(struct node *node)
{
    char *error = memory_format("node %d: %s", node_number(node), node->why);

    supervisor_fail_start(node->supervisor, error);
    free(error);
}

void node_fail(struct node *node, const char *why)
{
    struct supervisor *supervisor = node->supervisor;
    enum node_action action =
        is_unknown(node) ? NODE_DO_NOTHING : failover_step(&node->state->stage, NODE_FAILED);

    if (action == NODE_DO_NOTHING)
        return;
    free(node->why);
    node->why = memory_copy_text(why);
    node->failed_at = node_now(node);
    if (supervisor->phase == SUPERVISOR_STARTING)
        spoil_start(node);
    if (action == NODE_DO_FENCE) {
        fence(node, false);
    } else if (supervisor->config->detect_delay_ms) {
        ev_timer_set(&node->detect, supervisor->config->detect_delay_ms / 1000.0, 0);
        ev_timer_start(supervisor->loop, &node->detect);
    } else {
        on_detected(supervisor->loop, &node->detect, 0);
    }
}

void node_join(struct node *node)
{
    struct supervisor *supervisor = node->supervisor;

    if (failover_step(&node->state->stage, NODE_READY) != NODE_DO_JOIN)
        return;
    node_set_state(node, NODE_UP);
    if (supervisor->config->failback_s) {
        ev_timer_set(&node->settled, supervisor->config->failback_s, 0);
        ev_timer_start(supervisor->loop, &node->settled);
    }
}

/* ---- heartbeat ---- */

static void on_ping_replied(void *owner, json_t *reply, const char *error)
{
    (void)reply, (void)error;
    ((struct process *)owner)->is_pinged = false;
}

static bool has_silent_process(const struct node *node)
{
    LIST_FOR_EACH (link, &node->processes) {
        const struct process *process = container_of(link, struct process, link);

        if (!process->is_expected && is_silent(node, process->heard_at))
            return true;
    }
    return false;
}

static void send_ping(struct process *process)
{
    process->is_pinged = true;
    process_request(process, json_pack("{s:s}", "request", "ping"), 1e6, on_ping_replied, process);
}

/* Who has nothing to do is not woken up to say so. */
static void ping(struct node *node)
{
    LIST_FOR_EACH (link, &node->processes) {
        struct process *process = container_of(link, struct process, link);

        if (process_is_at_rest(process))
            process->heard_at = node_now(node);
        else if (!process->is_pinged)
            send_ping(process);
    }
}

void node_beat(struct node *node)
{
    char why[64];

    if (node->state->stage != STAGE_SERVING)
        return;
    if (node->is_silenced ? is_silent(node, node->silent_since) : has_silent_process(node)) {
        snprintf(why, sizeof(why), "no heartbeat for %d ms",
                 node->supervisor->config->node_timeout_ms);
        node_fail(node, why);
    } else if (!node->is_silenced) {
        ping(node);
    }
}

/* ---- what a user does to it ---- */

static void silence(struct node *node, enum node_state state)
{
    node->is_silenced = true;
    node->silent_since = node_now(node);
    node_set_state(node, state);
}

static void on_at_rest(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)loop, (void)events;
    struct node *node = container_of(timer, struct node, power);

    mute(node);
    node_signal(node, SIGKILL);
    node->asked--;
}

void node_power_off(struct node *node)
{
    go_dark(node);
    silence(node, NODE_OFF);
    node_signal(node, SIGSTOP);
    node->asked++;
    ev_timer_start(node->supervisor->loop, &node->power);
}

static void on_isolated(void *owner, json_t *reply, const char *error)
{
    struct node *node = owner;

    (void)reply, (void)error;
    node->asked--;
}

char *node_isolate(struct node *node, enum network_direction direction)
{
    char *wrong = network_cut(&node->supervisor->network, node_number(node), direction);

    if (wrong)
        return wrong;
    silence(node, NODE_ISOLATED);
    if (network_is_cut_by_link(&node->supervisor->network))
        return NULL;
    LIST_FOR_EACH (link, &node->processes) {
        node->asked++;
        process_request(container_of(link, struct process, link),
                        json_pack("{s:s}", "request", "isolate"), ISOLATE_DEADLINE_S, on_isolated,
                        node);
    }
    return NULL;
}

static void on_settled(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)loop, (void)events;
    container_of(timer, struct node, settled)->takes_back = true;
}

void node_init(struct node *node, struct supervisor *supervisor, struct cluster_node *state)
{
    *node = (struct node){.supervisor = supervisor, .state = state};
    list_init(&node->processes);
    ev_timer_init(&node->detect, on_detected, 0, 0);
    ev_timer_init(&node->power, on_at_rest, COME_TO_REST_S, 0);
    ev_timer_init(&node->settled, on_settled, 0, 0);
}

void node_free(struct node *node)
{
    LIST_FOR_EACH_SAFE (link, &node->processes)
        process_free(container_of(link, struct process, link));
    ev_timer_stop(node->supervisor->loop, &node->detect);
    ev_timer_stop(node->supervisor->loop, &node->power);
    ev_timer_stop(node->supervisor->loop, &node->settled);
    buffer_free(&node->gathered);
    free(node->why);
}
