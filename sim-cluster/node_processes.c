/* The processes of a node: how they are started, and what their end means. */
#include "sim-cluster/announce.h"
#include "sim-cluster/moves.h"
#include "sim-cluster/node.h"
#include "target/base/memory.h"
#include "target/base/segment.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void on_event(void *owner, const char *line, size_t length)
{
    struct node *node = owner;

    pace_note(&node->supervisor->pace);
    node->supervisor->on_event(node->supervisor->owner, line, length);
}

static void on_broken(void *owner, struct process *process, const char *why)
{
    (void)why; /* the end of the process says more */
    (void)owner;
    process_signal(process, SIGKILL);
}

static void note_end(struct node *node, const struct process *process, const char *how)
{
    event(EVENT_PROCESS_ENDED, number("node", node_number(node)), text("name", process->name),
          number("pid", process->pid), text("how", how));
}

/* What a disk still needs of it has a name there, too. */
static void remove_landing(const struct node *node)
{
    char *path =
        memory_format("%s/volumes/" LANDING_NAME, node->supervisor->directory, node_number(node));

    unlink(path);
    free(path);
}

static void on_ended(void *owner, struct process *process, const char *how)
{
    struct node *node = owner;
    struct cluster_floating_ip *floating = process->subject;
    bool is_news = !process->is_expected && !node->is_silenced;
    char *why = memory_format("its %s process %s", process->name, how);

    note_end(node, process, how);
    if (node->target == process) {
        node->target = NULL;
        remove_landing(node);
    }
    if (floating && process->is_expected)
        moves_holder_ended(node, floating);
    process_free(process);
    if (is_news && node->supervisor->phase != SUPERVISOR_STOPPING)
        node_fail(node, why);
    free(why);
    node_finish_fencing(node);
}

static void note_start(struct node *node, const struct process *process)
{
    event(EVENT_PROCESS_STARTED, number("node", node_number(node)), text("name", process->name),
          number("pid", process->pid));
}

/* NULL with errno set. `arguments` end with NULL. */
static struct process *spawn(struct node *node, const char *name, char *const arguments[],
                             const char *log)
{
    struct supervisor *supervisor = node->supervisor;
    char *program = memory_format("%s/%s", supervisor->programs, name);
    char *log_path = memory_format("%s/log/%s.log", supervisor->directory, log);
    struct process_start start = {
        .path = program,
        .argv = arguments,
        .log = log_path,
        .lock = supervisor->lock,
        .space = network_space(&supervisor->network, node_number(node)),
        .board = supervisor->faults.board.descriptor,
    };
    struct process *process = process_start(
        supervisor->loop, &start, &(struct process_watch){on_event, on_broken, on_ended, node});
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

static json_t *settings(const struct node *node)
{
    const struct cluster_config *config = node->supervisor->config;
    int own = node->state->config->io_threads;

    return json_pack("{s:i, s:i, s:i, s:i, s:b, s:i, s:i}", "login_timeout_s",
                     config->login_timeout_s, "nop_interval_s", config->nop_interval_s,
                     "nop_timeout_s", config->nop_timeout_s, "queue_depth", config->queue_depth,
                     "zero_copy", config->has_zero_copy, "spin_us", config->spin_us, "io_threads",
                     own ? own : config->io_threads);
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
    json_object_set_new(request, "run", json_string(node->supervisor->run));
    json_object_set_new(request, "node", json_integer(node_number(node)));
    json_object_set_new(request, "sandbox", confinement_build(&node->supervisor->confinement));
    json_object_set_new(request, "settings", settings(node));
    process_request(process, request, NODE_START_DEADLINE_S, on_started, starting);
    fault_rules_greet(&node->supervisor->faults, node, process);
}

void node_start(struct node *node)
{
    char text[16], log[32];
    char *const arguments[] = {"target", "--node", text, NULL}, *why;

    if (failover_step(&node->state->stage, NODE_STARTED) != NODE_DO_SPAWN)
        return;
    node->is_silenced = node->wants_start = node->was_draining = false;
    free(node->why);
    node->why = NULL;
    snprintf(text, sizeof(text), "%d", node_number(node));
    snprintf(log, sizeof(log), "node-%d", node_number(node));
    wires_renew(&node->supervisor->wires, node);
    why = network_start_node(&node->supervisor->network, node_number(node));
    node->target = why ? NULL : spawn(node, "target", arguments, log);
    if (!node->target) {
        if (!why)
            why = memory_format("its target process cannot be started: %s", strerror(errno));
        node_fail(node, why);
        free(why);
        return;
    }
    send_start(
        node, node->target,
        json_pack("{s:o}", "volumes", json_sprintf("%s/volumes", node->supervisor->directory)));
    announce_to_process(node, node->target);
}

int node_hold(struct node *node, struct cluster_floating_ip *floating)
{
    const struct address *address = &floating->config->subnet.address;
    const char *group = node->supervisor->config->portal_groups[floating->group].name;
    char host[ADDRESS_TEXT_SIZE], number[16], *log;
    char *const arguments[] = {"portalgroup", "--node", number, "--floating-ip", host, NULL};
    struct process *process;
    int error = network_add_address(&node->supervisor->network, node_number(node), address);

    if (error)
        return error;
    snprintf(number, sizeof(number), "%d", node_number(node));
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
    announce_to_process(node, process);
    return 0;
}
