/* Rules on their way to the processes, and what those say to them. */
#include "sim-cluster/fault_nodes.h"
#include "sim-cluster/node.h"
#include "sim-cluster/supervisor.h"
#include "target/base/memory.h"

#include <stdlib.h>

#define ANSWER_S 0.05 /* a process that hangs keeps nobody waiting; what it says later counts */
#define LATE_S 60.0

struct asking {
    struct fault_rules *rules;
    struct process *process; /* borrowed: alive when its reply comes */
    int node, serial;
    ev_timer patience; /* runs while it is waited for */
};

static void stop_waiting(struct asking *asking)
{
    if (ev_is_active(&asking->patience) || ev_is_pending(&asking->patience))
        asking->rules->asked--;
    ev_timer_stop(asking->rules->supervisor->loop, &asking->patience);
}

static void on_impatient(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)loop, (void)events;
    struct asking *asking = container_of(timer, struct asking, patience);

    asking->rules->asked--;
}

/* One that hangs or ends has not refused: it gets the rules when it goes on, or starts again. */
static void on_replied(void *owner, json_t *reply, const char *error)
{
    struct asking *asking = owner;

    stop_waiting(asking);
    if (reply && error) {
        char *why = memory_format("the %s process of node %d refuses it: %s", asking->process->name,
                                  asking->node, error);

        fault_rules_refused(asking->rules, asking->serial, why);
        free(why);
    }
    free(asking);
}

static json_t *encode(struct fault_rules *rules, const struct fault_entry *entry)
{
    const struct fault_value *after = &entry->rule->values[FAULT_KEY_AFTER];
    const struct fault_entry *other = after->is_given ? fault_rules_find(rules, after->text) : NULL;
    json_t *object = fault_encode(entry->rule);

    json_object_set_new(object, "since", json_real(entry->rule->since));
    json_object_set_new(object, "slot", json_integer(entry->rule->slot));
    if (other)
        json_object_set_new(object, "after_slot", json_integer(other->rule->slot));
    return object;
}

static void wait_for(struct asking *asking)
{
    asking->rules->asked++;
    ev_timer_start(asking->rules->supervisor->loop, &asking->patience);
}

static void send_to(struct fault_rules *rules, const struct node *node, struct process *process)
{
    struct asking *asking = memory_new(sizeof(*asking));
    json_t *list = json_array();

    *asking = (struct asking){.rules = rules, .process = process, .node = node_number(node)};
    LIST_FOR_EACH (link, &rules->entries) {
        struct fault_entry *entry = container_of(link, struct fault_entry, link);

        if (!fault_nodes_has(entry->rule))
            json_array_append_new(list, encode(rules, entry));
        if (!entry->is_accepted)
            asking->serial = entry->serial;
    }
    ev_timer_init(&asking->patience, on_impatient, ANSWER_S, 0);
    if (node->state->state != NODE_FROZEN && node->state->state != NODE_OFF)
        wait_for(asking);
    process_request(process, json_pack("{s:s, s:o}", "request", "faults", "rules", list), LATE_S,
                    on_replied, asking);
}

void fault_rules_send(struct fault_rules *rules)
{
    struct supervisor *supervisor = rules->supervisor;

    wires_follow(&supervisor->wires);
    for (size_t i = 0; i < supervisor->cluster.node_count; i++)
        LIST_FOR_EACH (link, &supervisor->nodes[i].processes)
            send_to(rules, &supervisor->nodes[i], container_of(link, struct process, link));
    LIST_FOR_EACH (link, &supervisor->wires.list) {
        struct wire_link *wire = container_of(link, struct wire_link, link);

        send_to(rules, wire->node, wire->process);
    }
    if (list_is_empty(&rules->entries))
        ev_timer_stop(supervisor->loop, &rules->tick);
    else
        ev_timer_start(supervisor->loop, &rules->tick);
}

void fault_rules_greet(struct fault_rules *rules, struct node *node, struct process *process)
{
    if (list_is_empty(&rules->entries))
        return;
    send_to(rules, node, process);
    LIST_FOR_EACH (link, &rules->entries) {
        struct fault_entry *entry = container_of(link, struct fault_entry, link);

        if (entry->rule->kind->where == FAULT_NODE)
            fault_nodes_tick(rules, entry); /* one that is slow must not be up first */
    }
}
