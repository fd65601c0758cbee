#include "sim-cluster/fault_nodes.h"

#include "sim-cluster/fault_addresses.h"
#include "sim-cluster/moves.h"
#include "sim-cluster/node.h"
#include "sim-cluster/node_verbs.h"
#include "target/base/memory.h"

#include <signal.h>
#include <string.h>

#define DESCRIPTORS_DEADLINE_S 5.0

struct place {
    struct fault_rules *rules;
    struct fault_entry *entry;
    struct node *node;                    /* NULL: it is about a floating IP */
    struct cluster_floating_ip *floating; /* NULL: it is about a node */
    double now;                           /* loop time */
};

static double seconds_of(const struct place *place, const char *name)
{
    return (double)fault_parameter(place->entry->rule, name)->number / 1000;
}

static bool is_serving(const struct node *node)
{
    return node->state->state == NODE_UP && node->state->stage == STAGE_SERVING;
}

static void run_verb(struct node *node, const char *verb)
{
    pending_check *check;

    json_decref(node_verbs_run(node, verb, &check));
}

/* ---- nodes ---- */

static void bring_up(struct node *node)
{
    bool is_frozen = node->state->state == NODE_FROZEN;

    if (is_frozen && node->state->stage == STAGE_SERVING)
        run_verb(node, "thaw");
    else if (is_frozen)
        node->wants_start = true; /* it is being given up */
    else
        run_verb(node, "start");
}

/* Down and up again, by the clock. */
static void flap(const struct place *place)
{
    static const char *const verbs[] = {"kill", "freeze", "power-off", "isolate", "drain"};
    struct fault_entry *entry = place->entry;
    struct node *node = place->node;

    if (!entry->next)
        entry->next = place->now + (is_serving(node) ? seconds_of(place, "up") : 0);
    if (place->now < entry->next)
        return;
    if (is_serving(node) && fault_rules_strike(place->rules, entry)) {
        run_verb(node, verbs[fault_parameter(entry->rule, "how")->number]);
        entry->next = place->now + seconds_of(place, "down");
    } else if (!is_serving(node) && node->state->stage != STAGE_STARTING) {
        bring_up(node);
        entry->next = 0;
    }
}

/* Cleared: at once. When it is over: after the last one has taken its time. */
static bool is_cut_short(const struct place *place)
{
    return !place->entry->rule->is_enabled || place->now >= place->entry->next;
}

static void end_flap(const struct place *place)
{
    if (!is_cut_short(place))
        return;
    if (place->entry->next && place->node->state->state != NODE_UP)
        bring_up(place->node);
    place->entry->next = 0;
}

/* It is held while it starts, and goes on later. */
static void slow_start(const struct place *place)
{
    struct fault_entry *entry = place->entry;

    if (!entry->next && place->node->state->stage == STAGE_STARTING &&
        fault_rules_strike(place->rules, entry)) {
        node_signal(place->node, SIGSTOP);
        entry->next = place->now + seconds_of(place, "time");
    } else if (entry->next && place->now >= entry->next) {
        if (place->node->state->stage == STAGE_STARTING)
            node_signal(place->node, SIGCONT);
        if (place->node->state->stage != STAGE_STARTING)
            entry->next = 0;
    }
}

static void end_slow_start(const struct place *place)
{
    if (!is_cut_short(place))
        return;
    if (place->entry->next && place->node->state->stage == STAGE_STARTING)
        node_signal(place->node, SIGCONT);
    place->entry->next = 0;
}

static void refuse(const struct place *place)
{
    if (!place->node->state->refuses && fault_rules_strike(place->rules, place->entry))
        place->node->state->refuses = true;
}

static void end_refuse(const struct place *place)
{
    place->node->state->refuses = false;
}

/* `most` NULL: as many as it may have. */
static void limit_descriptors(const struct place *place, json_t *most)
{
    if (place->node->target)
        process_request(place->node->target,
                        json_pack("{s:s, s:o*}", "request", "descriptors", "most", most),
                        DESCRIPTORS_DEADLINE_S, NULL, NULL);
    else
        json_decref(most);
}

static void exhaust_descriptors(const struct place *place)
{
    struct process *target = place->node->target;
    struct fault_entry *entry = place->entry;

    if (!target || entry->next == target->pid || !is_serving(place->node) ||
        !fault_rules_strike(place->rules, entry))
        return;
    limit_descriptors(place, json_integer(fault_parameter(entry->rule, "most")->number));
    entry->next = target->pid;
}

static void end_exhaust_descriptors(const struct place *place)
{
    limit_descriptors(place, NULL);
    place->entry->next = 0;
}

/* ---- floating IPs ---- */

static void stop_floating_ip(const struct place *place)
{
    struct node *holder = supervisor_find_node(place->rules->supervisor, place->floating->node);

    if (place->floating->phase == FLOATING_UP && moves_can_leave(holder))
        moves_stop_floating_ip(holder, place->floating, 0);
}

static void withhold(const struct place *place)
{
    if (!place->floating->is_withheld && fault_rules_strike(place->rules, place->entry))
        place->floating->is_withheld = true;
    if (place->floating->is_withheld)
        stop_floating_ip(place);
}

static void end_withhold(const struct place *place)
{
    place->floating->is_withheld = false;
}

/* To another node, again and again. */
static void wander(const struct place *place)
{
    struct cluster *cluster = &place->rules->supervisor->cluster;
    struct fault_entry *entry = place->entry;

    if (!entry->next)
        entry->next = place->now + seconds_of(place, "time");
    if (place->now < entry->next || place->floating->phase != FLOATING_UP)
        return;
    entry->next = place->now + seconds_of(place, "time");
    for (size_t i = 1, at = 0; i <= cluster->node_count; i++) {
        while (at + 1 < cluster->node_count &&
               cluster->nodes[at].config->number != place->floating->node)
            at++;
        struct node *next = &place->rules->supervisor->nodes[(at + i) % cluster->node_count];
        struct node *holder = supervisor_find_node(place->rules->supervisor, place->floating->node);

        if (next == holder || !moves_can_leave(holder) ||
            !cluster_can_take_floating_ip(next->state, place->floating))
            continue;
        if (fault_rules_strike(place->rules, entry))
            moves_stop_floating_ip(holder, place->floating, node_number(next));
        return;
    }
}

static void end_wander(const struct place *place)
{
    place->entry->next = 0;
}

static void duplicate(const struct place *place)
{
    fault_addresses_double(place->rules, place->entry, place->floating);
}

static void end_duplicate(const struct place *place)
{
    fault_addresses_end(place->rules, place->entry, place->floating);
}

/* ---- the table ---- */

typedef void fault_act(const struct place *place);

/* clang-format off */
static const struct {
    const char *kind;
    fault_act *act, *end;
} acts[] = {
    { "node.flap",             flap,                end_flap },
    { "node.slow_start",       slow_start,          end_slow_start },
    { "node.refuse",           refuse,              end_refuse },
    { "node.descriptors",      exhaust_descriptors, end_exhaust_descriptors },
    { "floating_ip.absent",    withhold,            end_withhold },
    { "floating_ip.wander",    wander,              end_wander },
    { "floating_ip.duplicate", duplicate,           end_duplicate },
};
/* clang-format on */

bool fault_nodes_has(const struct fault_rule *rule)
{
    return rule->kind->where & (FAULT_NODE | FAULT_FLOATING_IP);
}

static const char *address_of(const struct fault_rule *rule)
{
    return fault_parameter(rule, "address")->text;
}

char *fault_nodes_check(struct supervisor *supervisor, const struct fault_rule *rule)
{
    if (rule->kind->where == FAULT_NODE)
        return NULL;
    if (!cluster_find_floating_ip(&supervisor->cluster, address_of(rule)))
        return memory_format("address=%s can never match: there is no such floating IP",
                             address_of(rule));
    return fault_addresses_check(supervisor, rule);
}

void fault_nodes_tick(struct fault_rules *rules, struct fault_entry *entry)
{
    struct supervisor *supervisor = rules->supervisor;
    struct place place = {.rules = rules, .entry = entry, .now = ev_now(supervisor->loop)};

    if (entry->rule->kind->where == FAULT_NODE)
        place.node =
            supervisor_find_node(supervisor, (int)entry->rule->values[FAULT_KEY_NODE].number);
    else
        place.floating = cluster_find_floating_ip(&supervisor->cluster, address_of(entry->rule));
    if (supervisor->phase != SUPERVISOR_UP)
        return;
    for (size_t i = 0; i < sizeof(acts) / sizeof(*acts); i++)
        if (!strcmp(acts[i].kind, entry->rule->kind->name))
            (fault_rules_is_active(rules, entry) ? acts[i].act : acts[i].end)(&place);
}
