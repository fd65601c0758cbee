#include "sim-cluster/wires.h"

#include "sim-cluster/network_splice.h"
#include "sim-cluster/node.h"
#include "target/base/log.h"
#include "target/base/memory.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define START_DEADLINE_S 5.0

static struct wire_link *find(const struct wires *wires, const struct node *node, size_t network)
{
    LIST_FOR_EACH (link, &wires->list) {
        struct wire_link *wire = container_of(link, struct wire_link, link);

        if (wire->node == node && wire->network == network)
            return wire;
    }
    return NULL;
}

/* ---- the process ---- */

static void on_event(void *owner, const char *line, size_t length)
{
    struct supervisor *supervisor = ((struct wire_link *)owner)->wires->supervisor;

    supervisor->on_event(supervisor->owner, line, length);
}

static void on_broken(void *owner, struct process *process, const char *why)
{
    (void)owner, (void)why; /* the end of the process says more */
    process_signal(process, SIGKILL);
}

/* The link is whole again; the rules, if they are still there, ask for another wire. */
static void on_ended(void *owner, struct process *process, const char *how)
{
    struct wire_link *wire = owner;
    struct supervisor *supervisor = wire->wires->supervisor;

    event(EVENT_PROCESS_ENDED, number("node", node_number(wire->node)), text("name", "wire"),
          number("pid", process->pid), text("how", how));
    if (!process->is_expected)
        network_unsplice(&supervisor->network, node_number(wire->node), wire->network);
    process_free(process);
    list_remove(&wire->link);
    free(wire);
}

/* NULL with errno set. Closes the ends here. */
static struct process *spawn(struct wire_link *wire, const int ends[2])
{
    struct supervisor *supervisor = wire->wires->supervisor;
    char number[16], *log = memory_format("%s/log/wire.log", supervisor->directory);
    char *const arguments[] = {"sim-cluster", "wire", "--node", number, NULL};
    struct process_start start = {.path = "/proc/self/exe",
                                  .argv = arguments,
                                  .log = log,
                                  .lock = supervisor->lock,
                                  .space = -1,
                                  .board = supervisor->faults.board.descriptor,
                                  .passed = {ends[0], ends[1]}};
    struct process *process;
    int error;

    snprintf(number, sizeof(number), "%d", node_number(wire->node));
    process = process_start(supervisor->loop, &start,
                            &(struct process_watch){on_event, on_broken, on_ended, wire});
    error = errno;
    free(log);
    close(ends[0]);
    close(ends[1]);
    errno = error;
    return process;
}

static void begin(struct wire_link *wire)
{
    struct supervisor *supervisor = wire->wires->supervisor;
    const char *network = supervisor->config->networks[wire->network].name;

    wire->process->name = "wire";
    event(EVENT_PROCESS_STARTED, number("node", node_number(wire->node)), text("name", "wire"),
          number("pid", wire->process->pid));
    fault_rules_greet(&supervisor->faults, wire->node, wire->process); /* nothing passes before */
    process_request(wire->process,
                    json_pack("{s:s, s:i, s:s, s:o}", "request", "start", "node",
                              node_number(wire->node), "network", network, "sandbox",
                              confinement_build(&supervisor->confinement)),
                    START_DEADLINE_S, NULL, NULL);
}

static void insert(struct wires *wires, struct node *node, size_t network)
{
    struct wire_link *wire = memory_new(sizeof(*wire));
    int ends[2];
    char *wrong = network_splice(&wires->supervisor->network, node_number(node), network, ends);

    *wire = (struct wire_link){.wires = wires, .node = node, .network = network};
    if (!wrong) {
        wire->process = spawn(wire, ends);
        if (!wire->process)
            wrong = memory_format("a wire cannot be started: %s", strerror(errno));
    }
    if (!wrong) {
        list_append(&wires->list, &wire->link);
        begin(wire);
        return;
    }
    log_line(LOG_ERROR, "node %d: %s", node_number(node), wrong);
    network_unsplice(&wires->supervisor->network, node_number(node), network);
    free(wire);
    free(wrong);
}

/* It is gone when it is reaped. */
static void extract(struct wire_link *wire)
{
    if (wire->process->is_expected)
        return;
    wire->process->is_expected = true;
    process_signal(wire->process, SIGKILL);
    network_unsplice(&wire->wires->supervisor->network, node_number(wire->node), wire->network);
}

/* ---- what the rules ask for ---- */

static bool may_strike(const struct fault_entry *entry, const struct node *node,
                       const char *network)
{
    const struct fault_rule *rule = entry->rule;
    const struct fault_value *where = &rule->values[FAULT_KEY_NETWORK],
                             *who = &rule->values[FAULT_KEY_NODE];

    return rule->kind->where == FAULT_NETWORK && rule->is_enabled &&
           !fault_is_over(rule, event_now()) &&
           (!who->is_given || who->number == node_number(node)) &&
           (!where->is_given || !strcmp(where->text, network));
}

static bool is_needed(const struct wires *wires, const struct node *node, size_t network)
{
    const struct supervisor *supervisor = wires->supervisor;
    const struct network_config *config = &supervisor->config->networks[network];

    if (config->uplink == UPLINK_MACVLAN ||
        (node->state->stage != STAGE_STARTING && node->state->stage != STAGE_SERVING))
        return false;
    LIST_FOR_EACH (link, &supervisor->faults.entries)
        if (may_strike(container_of(link, struct fault_entry, link), node, config->name))
            return true;
    return false;
}

static void follow_link(struct wires *wires, struct node *node, size_t network)
{
    struct wire_link *wire = find(wires, node, network);
    bool needed = is_needed(wires, node, network);

    if (needed && !wire)
        insert(wires, node, network);
    else if (!needed && wire)
        extract(wire);
}

void wires_follow(struct wires *wires)
{
    struct supervisor *supervisor = wires->supervisor;

    if (supervisor->config->network != NETWORK_NETNS || supervisor->phase == SUPERVISOR_STOPPING)
        return;
    for (size_t i = 0; i < supervisor->cluster.node_count; i++)
        for (size_t j = 0; j < supervisor->config->network_count; j++)
            follow_link(wires, &supervisor->nodes[i], j);
}

void wires_renew(struct wires *wires, struct node *node)
{
    LIST_FOR_EACH (link, &wires->list) {
        struct wire_link *wire = container_of(link, struct wire_link, link);

        if (wire->node == node)
            extract(wire);
    }
}

char *wires_check(const struct wires *wires, const struct fault_rule *rule)
{
    const struct supervisor *supervisor = wires->supervisor;
    const struct fault_value *where = &rule->values[FAULT_KEY_NETWORK];
    char *wrong = NULL;

    if (supervisor->config->network != NETWORK_NETNS)
        return network_cannot_splice(&supervisor->network, 0);
    for (size_t i = 0; i < supervisor->config->network_count; i++) {
        if (where->is_given && strcmp(supervisor->config->networks[i].name, where->text))
            continue;
        free(wrong);
        wrong = network_cannot_splice(&supervisor->network, i);
        if (!wrong)
            return NULL;
    }
    return wrong ? wrong : memory_format("network=%s can never match: there is none", where->text);
}

/* ---- all of them ---- */

void wires_init(struct wires *wires, struct supervisor *supervisor)
{
    wires->supervisor = supervisor;
    list_init(&wires->list);
}

void wires_free(struct wires *wires)
{
    LIST_FOR_EACH_SAFE (link, &wires->list) {
        struct wire_link *wire = container_of(link, struct wire_link, link);

        process_signal(wire->process, SIGKILL);
        process_free(wire->process);
        list_remove(&wire->link);
        free(wire);
    }
}
