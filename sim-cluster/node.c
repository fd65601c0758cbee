#include "sim-cluster/node.h"

#include "sim-cluster/announce.h"
#include "sim-cluster/moves.h"
#include "target/base/log.h"
#include "target/base/memory.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COME_TO_REST_S 0.01
#define ISOLATE_DEADLINE_S 0.5

static int number_of(const struct node *node)
{
    return node->state->config->number;
}

static double now(const struct node *node)
{
    return ev_now(node->supervisor->loop);
}

static bool is_silent(const struct node *node, double since)
{
    return now(node) - since > node->supervisor->config->node_timeout_ms / 1000.0;
}

void node_set_state(struct node *node, enum node_state state)
{
    enum node_state was = node->state->state;

    if (was == state)
        return;
    node->state->state = state;
    event(EVENT_NODE_STATE, number("node", number_of(node)), text("state", node_state_names[state]),
          text("was", node_state_names[was]));
}

void node_signal(struct node *node, int signal)
{
    LIST_FOR_EACH(link, &node->processes)
    process_signal(container_of(link, struct process, link), signal);
}

/* ---- failing ---- */

static void mute(struct node *node)
{
    LIST_FOR_EACH(link, &node->processes)
    {
        struct process *process = container_of(link, struct process, link);

        network_mute(&node->muted, process->pid, process_descriptor(process));
    }
    event(EVENT_CONNECTIONS_MUTED, number("node", number_of(node)),
          number("connections", (int64_t)node->muted.count));
}

static void forget_sessions(struct node *node)
{
    json_decref(node->state->sessions);
    node->state->sessions = json_array();
}

static void finish_fencing(struct node *node)
{
    if (!list_is_empty(&node->processes) ||
        failover_step(&node->state->stage, NODE_REAPED) != NODE_DO_PLACE)
        return;
    forget_sessions(node);
    event(EVENT_NODE_FENCED, number("node", number_of(node)),
          number("duration_ms", (int64_t)((now(node) - node->failed_at) * 1000)));
    moves_node_gone(node);
    if (node->wants_start)
        node_start(node);
}

static void fence(struct node *node, bool was_serving)
{
    if (was_serving)
        event(EVENT_NODE_FAILED, number("node", number_of(node)), text("reason", node->why));
    if (node->state->state == NODE_ISOLATED)
        mute(node);
    ev_timer_stop(node->supervisor->loop, &node->settled);
    node->takes_back = false;
    node_signal(node, SIGKILL);
    node_set_state(node, failover_state_when_fenced(node->state->state));
    moves_node_lost(node);
    finish_fencing(node);
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

void node_fail(struct node *node, const char *why)
{
    struct supervisor *supervisor = node->supervisor;
    enum node_action action =
        is_unknown(node) ? NODE_DO_NOTHING : failover_step(&node->state->stage, NODE_FAILED);

    if (action == NODE_DO_NOTHING)
        return;
    free(node->why);
    node->why = memory_copy_text(why);
    node->failed_at = now(node);
    if (supervisor->phase == SUPERVISOR_STARTING)
        supervisor_fail_start(supervisor, memory_format("node %d: %s", number_of(node), why));
    if (action == NODE_DO_FENCE) {
        fence(node, false);
    } else if (supervisor->config->detect_delay_ms) {
        ev_timer_set(&node->detect, supervisor->config->detect_delay_ms / 1000.0, 0);
        ev_timer_start(supervisor->loop, &node->detect);
    } else {
        on_detected(supervisor->loop, &node->detect, 0);
    }
}

/* ---- processes ---- */

static void on_event(void *owner, json_t *event)
{
    struct node *node = owner;

    node->supervisor->on_event(node->supervisor->owner, event);
}

static void on_broken(void *owner, struct process *process, const char *why)
{
    (void)why; /* the end of the process says more */
    (void)owner;
    process_signal(process, SIGKILL);
}

static void note_end(struct node *node, const struct process *process, const char *how)
{
    event(EVENT_PROCESS_ENDED, number("node", number_of(node)), text("name", process->name),
          number("pid", process->pid), text("how", how));
}

static void on_ended(void *owner, struct process *process, const char *how)
{
    struct node *node = owner;
    struct cluster_floating_ip *floating = process->subject;
    bool is_news = !process->is_expected && !node->is_silenced;
    char *why = memory_format("its %s process %s", process->name, how);

    note_end(node, process, how);
    if (node->target == process)
        node->target = NULL;
    if (floating && process->is_expected)
        moves_holder_ended(node, floating);
    process_free(process);
    if (is_news && node->supervisor->phase != SUPERVISOR_STOPPING)
        node_fail(node, why);
    free(why);
    finish_fencing(node);
}

static void note_start(struct node *node, const struct process *process)
{
    event(EVENT_PROCESS_STARTED, number("node", number_of(node)), text("name", process->name),
          number("pid", process->pid));
}

/* NULL with errno set. `arguments` end with NULL. */
static struct process *spawn(struct node *node, const char *name, char *const arguments[],
                             const char *log)
{
    struct supervisor *supervisor = node->supervisor;
    char *program = memory_format("%s/%s", supervisor->programs, name);
    char *log_path = memory_format("%s/log/%s.log", supervisor->directory, log);
    struct process *process =
        process_start(supervisor->loop, program, arguments, log_path,
                      &(struct process_watch){on_event, on_broken, on_ended, node});
    int error = errno;

    free(program);
    free(log_path);
    errno = error;
    if (!process)
        return NULL;
    process->name = name;
    list_append(&node->processes, &process->link);
    note_start(node, process);
    return process;
}

static json_t *settings(const struct cluster_config *config)
{
    return json_pack("{s:i, s:i, s:i, s:i}", "login_timeout_s", config->login_timeout_s,
                     "nop_interval_s", config->nop_interval_s, "nop_timeout_s",
                     config->nop_timeout_s, "queue_depth", config->queue_depth);
}

struct starting {
    struct node *node;       /* borrowed */
    struct process *process; /* borrowed: alive when its replies come */
};

static void on_started(void *owner, json_t *reply, const char *error)
{
    struct starting *starting = owner;

    (void)reply;
    if (error && !starting->process->is_expected && !starting->process->is_ended) {
        char *why = memory_format("its %s process: %s", starting->process->name, error);

        node_fail(starting->node, why);
        free(why);
    }
    free(starting);
}

static void send_start(struct node *node, struct process *process, json_t *request)
{
    struct starting *starting = memory_new(sizeof(*starting));

    *starting = (struct starting){node, process};
    json_object_set_new(request, "request", json_string("start"));
    json_object_set_new(request, "process", json_string(process->name));
    json_object_set_new(request, "cluster", json_string(node->supervisor->config->name));
    json_object_set_new(request, "node", json_integer(number_of(node)));
    json_object_set_new(request, "settings", settings(node->supervisor->config));
    process_request(process, request, NODE_START_DEADLINE_S, on_started, starting);
}

void node_start(struct node *node)
{
    char text[16], log[32];
    char *const arguments[] = {"target", "--node", text, NULL};

    if (failover_step(&node->state->stage, NODE_STARTED) != NODE_DO_SPAWN)
        return;
    network_unmute(&node->muted);
    node->is_silenced = node->wants_start = node->was_draining = false;
    free(node->why);
    node->why = NULL;
    snprintf(text, sizeof(text), "%d", number_of(node));
    snprintf(log, sizeof(log), "node-%d", number_of(node));
    node->target = spawn(node, "target", arguments, log);
    if (!node->target) {
        char *why = memory_format("its target process cannot be started: %s", strerror(errno));

        node_fail(node, why);
        free(why);
        return;
    }
    send_start(
        node, node->target,
        json_pack("{s:o}", "volumes", json_sprintf("%s/volumes", node->supervisor->directory)));
    announce_to_node(node);
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

int node_hold(struct node *node, struct cluster_floating_ip *floating)
{
    const struct address *address = &floating->config->subnet.address;
    const char *group = node->supervisor->config->portal_groups[floating->group].name;
    char host[ADDRESS_TEXT_SIZE], number[16], *log;
    char *const arguments[] = {"portalgroup", "--node", number, "--floating-ip", host, NULL};
    struct process *process;

    snprintf(number, sizeof(number), "%d", number_of(node));
    address_format_host(address, host);
    log = address->port == ISCSI_PORT ? memory_format("floating-%s", host)
                                      : memory_format("floating-%s-%u", host, address->port);
    process = spawn(node, "portalgroup", arguments, log);
    free(log);
    if (!process)
        return -errno;
    process->subject = floating;
    send_start(node, process,
               json_pack("{s:s, s:i, s:s}", "floating_ip", host, "port", address->port,
                         "portal_group", group));
    announce_to_holder(node, process);
    return 0;
}

/* ---- heartbeat ---- */

static void on_ping_replied(void *owner, json_t *reply, const char *error)
{
    (void)reply, (void)error;
    ((struct process *)owner)->is_pinged = false;
}

static bool has_silent_process(const struct node *node)
{
    LIST_FOR_EACH(link, &node->processes)
    {
        const struct process *process = container_of(link, struct process, link);

        if (!process->is_expected && is_silent(node, process->heard_at))
            return true;
    }
    return false;
}

static void ping(struct node *node)
{
    LIST_FOR_EACH(link, &node->processes)
    {
        struct process *process = container_of(link, struct process, link);

        if (process->is_pinged)
            continue;
        process->is_pinged = true;
        process_request(process, json_pack("{s:s}", "request", "ping"), 1e6, on_ping_replied,
                        process);
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
    node->silent_since = now(node);
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

void node_isolate(struct node *node)
{
    silence(node, NODE_ISOLATED);
    LIST_FOR_EACH(link, &node->processes)
    {
        node->asked++;
        process_request(container_of(link, struct process, link),
                        json_pack("{s:s}", "request", "isolate"), ISOLATE_DEADLINE_S, on_isolated,
                        node);
    }
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
    LIST_FOR_EACH_SAFE(link, &node->processes)
    process_free(container_of(link, struct process, link));
    ev_timer_stop(node->supervisor->loop, &node->detect);
    ev_timer_stop(node->supervisor->loop, &node->power);
    ev_timer_stop(node->supervisor->loop, &node->settled);
    network_unmute(&node->muted);
    free(node->why);
}
