#include "sim-cluster/supervisor.h"

#include "sim-cluster/announce.h"
#include "sim-cluster/moves.h"
#include "sim-cluster/node.h"
#include "sim-cluster/pending.h"
#include "target/base/log.h"
#include "target/base/memory.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#define STOP_DEADLINE_S 3.0

enum { BEATS_PER_TIMEOUT = 8 };

struct node *supervisor_find_node(struct supervisor *supervisor, int number)
{
    struct cluster_node *state = cluster_find_node(&supervisor->cluster, number);

    return state ? &supervisor->nodes[state - supervisor->cluster.nodes] : NULL;
}

struct process *supervisor_find_holder(struct node *node,
                                       const struct cluster_floating_ip *floating)
{
    LIST_FOR_EACH (link, &node->processes) {
        struct process *process = container_of(link, struct process, link);

        if (process->subject == floating)
            return process;
    }
    return NULL;
}

static bool is_all_serving(const struct supervisor *supervisor)
{
    for (size_t i = 0; i < supervisor->cluster.node_count; i++)
        if (supervisor->cluster.nodes[i].stage != STAGE_SERVING)
            return false;
    return true;
}

static bool is_all_placed(const struct supervisor *supervisor)
{
    const struct cluster *cluster = &supervisor->cluster;

    for (size_t i = 0; i < cluster->target_count; i++)
        if (cluster->targets[i].phase != TARGET_SERVING)
            return false;
    for (size_t i = 0; i < cluster->floating_ip_count; i++)
        if (cluster->floating_ips[i].phase != FLOATING_UP)
            return false;
    return true;
}

/* Does every process know? */
static bool is_all_told(const struct supervisor *supervisor)
{
    return !supervisor->targets_stale && !supervisor->published_stale && !supervisor->maps_wanted &&
           !supervisor->announcing;
}

static bool has_processes(const struct supervisor *supervisor)
{
    for (size_t i = 0; i < supervisor->cluster.node_count; i++)
        if (!list_is_empty(&supervisor->nodes[i].processes))
            return true;
    return false;
}

static void come_up(struct supervisor *supervisor)
{
    supervisor->phase = SUPERVISOR_UP;
    event(EVENT_CLUSTER_UP, text("cluster", supervisor->config->name),
          number("nodes", (int64_t)supervisor->cluster.node_count),
          number("targets", (int64_t)supervisor->cluster.target_count));
    supervisor->flush_events(supervisor->owner);
    supervisor->on_started(supervisor->owner, NULL);
}

/* What a user can do about it. */
static const char *remedy(const char *error)
{
    return strstr(error, strerror(EADDRINUSE))
               ? "; \"ss -ltnp\" shows who uses it: end that, or configure another address"
               : "";
}

void supervisor_fail_start(struct supervisor *supervisor, const char *error)
{
    if (!supervisor->error)
        supervisor->error = memory_format("%s%s", error, remedy(error));
}

static void come_down(struct supervisor *supervisor)
{
    event(EVENT_CLUSTER_DOWN, text("cluster", supervisor->config->name));
    ev_break(supervisor->loop, EVBREAK_ALL);
}

static void turn_stopping(struct supervisor *supervisor)
{
    if (!has_processes(supervisor))
        come_down(supervisor);
}

static void turn_starting(struct supervisor *supervisor)
{
    if (supervisor->error) {
        supervisor->on_started(supervisor->owner, supervisor->error);
        supervisor_stop(supervisor);
    } else if (is_all_serving(supervisor) && is_all_placed(supervisor) && is_all_told(supervisor)) {
        come_up(supervisor);
    }
}

static void on_turn(struct ev_loop *loop, ev_prepare *watcher, int events)
{
    (void)events;
    struct supervisor *supervisor = container_of(watcher, struct supervisor, turn);

    ev_set_io_collect_interval(loop, pace_rest(&supervisor->pace, ev_now(loop)));
    if (supervisor->phase == SUPERVISOR_STOPPING) {
        turn_stopping(supervisor);
        return;
    }
    if (supervisor->phase == SUPERVISOR_STARTING)
        turn_starting(supervisor);
    if (supervisor->phase == SUPERVISOR_UP || is_all_serving(supervisor))
        moves_turn(supervisor);
    if (supervisor->targets_stale)
        announce_to_targets(supervisor);
    if (supervisor->published_stale)
        announce_published(supervisor);
    announce_wanted(supervisor);
    supervisor->flush_events(supervisor->owner); /* who is answered may read them */
    pending_turn(supervisor);
}

static void on_wake(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)loop, (void)timer, (void)events; /* the turn that follows does the work */
}

/* Time in which we did not run ourselves says nothing about the nodes. */
static void forgive(struct supervisor *supervisor, double seconds)
{
    for (size_t i = 0; i < supervisor->cluster.node_count; i++)
        LIST_FOR_EACH (link, &supervisor->nodes[i].processes)
            container_of(link, struct process, link)->heard_at += seconds;
}

static void on_heartbeat(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)events;
    struct supervisor *supervisor = container_of(timer, struct supervisor, heartbeat);
    double late = ev_now(loop) - supervisor->last_beat - timer->repeat;

    supervisor->last_beat = ev_now(loop);
    if (late > timer->repeat)
        forgive(supervisor, late);
    if (supervisor->phase != SUPERVISOR_STOPPING)
        for (size_t i = 0; i < supervisor->cluster.node_count; i++)
            node_beat(&supervisor->nodes[i]);
}

static void on_stop_deadline(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)loop, (void)events;
    struct supervisor *supervisor = container_of(timer, struct supervisor, stop);

    for (size_t i = 0; i < supervisor->cluster.node_count; i++)
        node_signal(&supervisor->nodes[i], SIGKILL);
}

static void start_watchers(struct supervisor *supervisor)
{
    double beat_s = supervisor->config->node_timeout_ms / 1000.0 / BEATS_PER_TIMEOUT;

    ev_prepare_init(&supervisor->turn, on_turn);
    ev_timer_init(&supervisor->heartbeat, on_heartbeat, beat_s, beat_s);
    ev_timer_init(&supervisor->wake, on_wake, 0, 0);
    ev_timer_init(&supervisor->stop, on_stop_deadline, STOP_DEADLINE_S, 0);
    ev_set_priority(&supervisor->heartbeat, EV_MINPRI); /* after all answers that are there */
    ev_prepare_start(supervisor->loop, &supervisor->turn);
    ev_timer_start(supervisor->loop, &supervisor->heartbeat);
    supervisor->last_beat = ev_now(supervisor->loop);
}

/* Random, and where there is no randomness the time. */
static void name_run(struct supervisor *supervisor)
{
    uint64_t random[2] = {(uint64_t)(event_now() * 1e6), (uint64_t)getpid()};

    if (getrandom(random, sizeof(random), GRND_NONBLOCK) < 0)
        log_line(LOG_INFO, "no random numbers: this run is named by the time");
    snprintf(supervisor->run, sizeof(supervisor->run), "%016" PRIx64 "%016" PRIx64, random[0],
             random[1]);
}

static void set_configured_faults(struct supervisor *supervisor)
{
    for (size_t i = 0; i < supervisor->config->fault_count; i++) {
        const struct fault_config *fault = &supervisor->config->faults[i];
        char *wrong = NULL;
        struct fault_rule *rule = fault_parse_text(fault->rule, &wrong);

        if (rule)
            wrong = fault_rules_set(&supervisor->faults, rule);
        if (wrong) {
            char *error = memory_format("%s:%d: %s", supervisor->config->path, fault->line, wrong);

            supervisor_fail_start(supervisor, error);
            free(error);
        }
        free(wrong);
    }
    if (supervisor->config->fault_count)
        ev_timer_start(supervisor->loop, &supervisor->faults.tick);
}

void supervisor_start(struct supervisor *supervisor)
{
    name_run(supervisor);
    cluster_init(&supervisor->cluster, supervisor->config);
    supervisor->cluster.generation = 1;
    supervisor->has_unplaced = true;
    list_init(&supervisor->pending);
    hosts_init(&supervisor->hosts);
    if (fault_rules_init(&supervisor->faults, supervisor))
        supervisor_fail_start(supervisor, "there is no memory that processes could share");
    wires_init(&supervisor->wires, supervisor);
    supervisor->nodes = memory_new(supervisor->cluster.node_count * sizeof(*supervisor->nodes));
    for (size_t i = 0; i < supervisor->cluster.node_count; i++)
        node_init(&supervisor->nodes[i], supervisor, &supervisor->cluster.nodes[i]);
    start_watchers(supervisor);
    set_configured_faults(supervisor);
    for (size_t i = 0; i < supervisor->cluster.node_count; i++)
        node_start(&supervisor->nodes[i]);
}

static void ask_to_stop(struct node *node)
{
    if (!moves_can_leave(node) && node->state->stage != STAGE_STARTING)
        node_signal(node, SIGKILL);
    LIST_FOR_EACH (link, &node->processes) {
        struct process *process = container_of(link, struct process, link);

        process->is_expected = true;
        process_request(process, json_pack("{s:s}", "request", "stop"), STOP_DEADLINE_S, NULL,
                        NULL);
    }
}

void supervisor_stop(struct supervisor *supervisor)
{
    if (supervisor->phase == SUPERVISOR_STOPPING)
        return;
    supervisor->phase = SUPERVISOR_STOPPING;
    ev_timer_start(supervisor->loop, &supervisor->stop);
    for (size_t i = 0; i < supervisor->cluster.node_count; i++)
        ask_to_stop(&supervisor->nodes[i]);
}

void supervisor_free(struct supervisor *supervisor)
{
    pending_end(supervisor, "the cluster goes down");
    for (size_t i = 0; i < supervisor->cluster.node_count; i++)
        node_free(&supervisor->nodes[i]);
    ev_prepare_stop(supervisor->loop, &supervisor->turn);
    ev_timer_stop(supervisor->loop, &supervisor->heartbeat);
    ev_timer_stop(supervisor->loop, &supervisor->wake);
    ev_timer_stop(supervisor->loop, &supervisor->stop);
    wires_free(&supervisor->wires);
    fault_rules_free(&supervisor->faults);
    hosts_free(&supervisor->hosts);
    cluster_free(&supervisor->cluster);
    free(supervisor->nodes);
    free(supervisor->programs);
    free(supervisor->error);
}
