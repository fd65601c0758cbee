#include "sim-cluster/fault_rules.h"

#include "sim-cluster/fault_nodes.h"
#include "sim-cluster/supervisor.h"
#include "target/base/memory.h"

#include <stdlib.h>
#include <string.h>

#define TICK_S 0.05
#define ANSWER_S 0.05 /* a process that hangs keeps nobody waiting */

enum { TICKS_PER_COUNT = 10 };

struct fault_tally {
    pid_t pid;
    uint64_t base, hits; /* what it was told to begin with, what it has said last */
};

static void remove_entry(struct fault_entry *entry)
{
    list_remove(&entry->link);
    fault_free(entry->rule);
    free(entry->tallies);
    free(entry);
}

struct fault_entry *fault_rules_find(struct fault_rules *rules, const char *id)
{
    LIST_FOR_EACH (link, &rules->entries) {
        struct fault_entry *entry = container_of(link, struct fault_entry, link);

        if (!strcmp(entry->rule->id, id))
            return entry;
    }
    return NULL;
}

/* ---- what it counted ---- */

static struct fault_tally *find_tally(struct fault_entry *entry, pid_t pid)
{
    size_t size = (entry->tally_count + 1) * sizeof(*entry->tallies);

    for (size_t i = 0; i < entry->tally_count; i++)
        if (entry->tallies[i].pid == pid)
            return &entry->tallies[i];
    entry->tallies = memory_resize(entry->tallies, size);
    entry->tallies[entry->tally_count] = (struct fault_tally){.pid = pid};
    return &entry->tallies[entry->tally_count++];
}

static void sum_up(struct fault_entry *entry)
{
    entry->rule->hits = 0;
    for (size_t i = 0; i < entry->tally_count; i++)
        if (entry->tallies[i].hits > entry->tallies[i].base)
            entry->rule->hits += entry->tallies[i].hits - entry->tallies[i].base;
}

static void note_counts(struct fault_rules *rules, pid_t pid, const json_t *reply)
{
    size_t i;
    json_t *count;

    json_array_foreach (json_object_get(reply, "faults"), i, count) {
        const char *id = json_string_value(json_object_get(count, "id"));
        struct fault_entry *entry = id ? fault_rules_find(rules, id) : NULL;
        double last = event_parse_time(json_string_value(json_object_get(count, "last_hit")));

        if (!entry)
            continue;
        find_tally(entry, pid)->hits = (uint64_t)json_integer_value(json_object_get(count, "hits"));
        sum_up(entry);
        if (last > entry->rule->last_hit)
            entry->rule->last_hit = last;
    }
}

/* ---- telling the processes ---- */

struct asking {
    struct fault_rules *rules;
    pid_t pid;
};

static void on_replied(void *owner, json_t *reply, const char *error)
{
    struct asking *asking = owner;

    asking->rules->asked--;
    if (!error)
        note_counts(asking->rules, asking->pid, reply);
    free(asking);
}

static void ask(struct fault_rules *rules, struct process *process, json_t *request)
{
    struct asking *asking = memory_new(sizeof(*asking));

    *asking = (struct asking){rules, process->pid};
    rules->asked++;
    process_request(process, request, ANSWER_S, on_replied, asking);
}

static bool is_carried_out_here(const struct fault_entry *entry)
{
    return entry->rule->kind->where & (FAULT_NODE | FAULT_FLOATING_IP);
}

/* With what became of it so far, so that a node that starts goes on with it. */
static json_t *rule_for(struct fault_entry *entry, const struct process *process)
{
    json_t *object = fault_encode(entry->rule);
    struct fault_tally *tally = find_tally(entry, process->pid);

    if (!tally->hits)
        tally->hits = tally->base = entry->rule->hits;
    json_object_set_new(object, "since", json_real(entry->rule->since));
    json_object_set_new(object, "hits", json_integer((json_int_t)tally->base));
    return object;
}

static json_t *build(struct fault_rules *rules, const struct process *process)
{
    json_t *list = json_array(), *fired = json_array();

    LIST_FOR_EACH (link, &rules->entries) {
        struct fault_entry *entry = container_of(link, struct fault_entry, link);

        if (!is_carried_out_here(entry))
            json_array_append_new(list, rule_for(entry, process));
        if (entry->rule->hits)
            json_array_append_new(fired, json_string(entry->rule->id));
    }
    return json_pack("{s:s, s:o, s:o}", "request", "faults", "rules", list, "fired", fired);
}

typedef void each_process(struct fault_rules *rules, struct process *process);

static void for_each_process(struct fault_rules *rules, each_process *run)
{
    struct supervisor *supervisor = rules->supervisor;

    for (size_t i = 0; i < supervisor->cluster.node_count; i++)
        LIST_FOR_EACH (link, &supervisor->nodes[i].processes)
            run(rules, container_of(link, struct process, link));
}

static void send_to(struct fault_rules *rules, struct process *process)
{
    ask(rules, process, build(rules, process));
}

static void count_at(struct fault_rules *rules, struct process *process)
{
    ask(rules, process, json_pack("{s:s}", "request", "fault_counts"));
}

void fault_rules_send(struct fault_rules *rules)
{
    for_each_process(rules, send_to);
    if (list_is_empty(&rules->entries))
        ev_timer_stop(rules->supervisor->loop, &rules->tick);
    else
        ev_timer_start(rules->supervisor->loop, &rules->tick);
}

void fault_rules_count(struct fault_rules *rules)
{
    for_each_process(rules, count_at);
}

void fault_rules_greet(struct fault_rules *rules, struct process *process)
{
    if (list_is_empty(&rules->entries))
        return;
    send_to(rules, process);
    LIST_FOR_EACH (link, &rules->entries) {
        struct fault_entry *entry = container_of(link, struct fault_entry, link);

        if (entry->rule->kind->where == FAULT_NODE)
            fault_nodes_tick(rules, entry); /* one that is slow must not be up first */
    }
}

/* ---- set and clear ---- */

static bool is_known(struct fault_rules *rules, enum fault_key_index key, const char *name)
{
    struct supervisor *supervisor = rules->supervisor;
    struct cluster_target *target;

    switch (key) {
    case FAULT_KEY_NODE:
        return supervisor_find_node(supervisor, (int)strtol(name, NULL, 0)) != NULL;
    case FAULT_KEY_PORTAL_GROUP:
        return cluster_config_find_group(supervisor->config, name) >= 0;
    case FAULT_KEY_VOLUME:
        target = cluster_find_target(&supervisor->cluster, name);
        return target && !strcmp(target->config->name, name);
    case FAULT_KEY_AFTER:
        return fault_rules_find(rules, name) != NULL;
    default:
        return true;
    }
}

/* NULL, or an owned sentence: what it is about is not there. */
static char *check_references(struct fault_rules *rules, const struct fault_rule *rule)
{
    for (int key = 0; key < FAULT_KEYS; key++) {
        const struct fault_value *value = &rule->values[key];

        if (value->is_given && !is_known(rules, (enum fault_key_index)key, value->text))
            return memory_format("%s=%s can never match: there is none", fault_keys[key].name,
                                 value->text);
    }
    return rule->kind->where & (FAULT_NODE | FAULT_FLOATING_IP)
               ? fault_nodes_check(rules->supervisor, rule)
               : NULL;
}

static void name_rule(struct fault_rules *rules, struct fault_rule *rule)
{
    while (!rule->id) {
        char *id = memory_format("f%d", ++rules->named);

        if (fault_rules_find(rules, id))
            free(id);
        else
            rule->id = id;
    }
}

char *fault_rules_set(struct fault_rules *rules, struct fault_rule *rule)
{
    char *wrong = check_references(rules, rule), *words;
    struct fault_entry *entry, *old;

    if (wrong) {
        fault_free(rule);
        return wrong;
    }
    name_rule(rules, rule);
    old = fault_rules_find(rules, rule->id);
    if (old)
        fault_rules_clear(rules, old);
    entry = memory_new(sizeof(*entry));
    entry->rule = rule;
    rule->since = event_now();
    list_append(&rules->entries, &entry->link);
    words = fault_format(rule);
    event(EVENT_FAULT_SET, text("fault", rule->id), text("rule", words));
    free(words);
    return NULL;
}

static void tell_end(const struct fault_entry *entry, const char *why)
{
    event(EVENT_FAULT_CLEARED, text("fault", entry->rule->id),
          text("kind", entry->rule->kind->name), number("hits", (int64_t)entry->rule->hits),
          text("reason", why));
}

void fault_rules_clear(struct fault_rules *rules, struct fault_entry *entry)
{
    entry->rule->is_enabled = false;
    if (is_carried_out_here(entry))
        fault_nodes_tick(rules, entry);
    tell_end(entry, "cleared");
    remove_entry(entry);
}

void fault_rules_enable(struct fault_rules *rules, struct fault_entry *entry, bool is_enabled)
{
    char *words;

    if (entry->rule->is_enabled == is_enabled)
        return;
    entry->rule->is_enabled = is_enabled;
    entry->is_over_told = false;
    entry->rule->since = event_now();
    if (is_carried_out_here(entry))
        fault_nodes_tick(rules, entry);
    words = fault_format(entry->rule);
    if (is_enabled)
        event(EVENT_FAULT_SET, text("fault", entry->rule->id), text("rule", words));
    else
        tell_end(entry, "disabled");
    free(words);
}

/* ---- while they are in force ---- */

bool fault_rules_strike(struct fault_rules *rules, struct fault_entry *entry)
{
    (void)rules;
    if (!fault_strikes(entry->rule, event_now()))
        return false;
    event(EVENT_FAULT_HIT, text("fault", entry->rule->id), text("kind", entry->rule->kind->name),
          number("hits", (int64_t)entry->rule->hits));
    return true;
}

bool fault_rules_is_active(struct fault_rules *rules, const struct fault_entry *entry)
{
    const struct fault_value *after = &entry->rule->values[FAULT_KEY_AFTER];
    const struct fault_entry *other = after->is_given ? fault_rules_find(rules, after->text) : NULL;

    return entry->rule->is_enabled && !fault_is_over(entry->rule, event_now()) &&
           (!after->is_given || (other && other->rule->hits));
}

static void look(struct fault_rules *rules, struct fault_entry *entry)
{
    if (is_carried_out_here(entry))
        fault_nodes_tick(rules, entry);
    if (entry->is_over_told || !entry->rule->is_enabled || !fault_is_over(entry->rule, event_now()))
        return;
    entry->is_over_told = true;
    tell_end(entry, "it is over");
}

static void on_tick(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)loop, (void)events;
    struct fault_rules *rules = container_of(timer, struct fault_rules, tick);

    LIST_FOR_EACH (link, &rules->entries)
        look(rules, container_of(link, struct fault_entry, link));
    if (++rules->ticks % TICKS_PER_COUNT == 0 && !rules->asked)
        fault_rules_count(rules);
}

void fault_rules_init(struct fault_rules *rules, struct supervisor *supervisor)
{
    *rules = (struct fault_rules){.supervisor = supervisor};
    list_init(&rules->entries);
    ev_timer_init(&rules->tick, on_tick, TICK_S, TICK_S);
}

void fault_rules_free(struct fault_rules *rules)
{
    LIST_FOR_EACH_SAFE (link, &rules->entries)
        remove_entry(container_of(link, struct fault_entry, link));
    ev_timer_stop(rules->supervisor->loop, &rules->tick);
}

json_t *fault_rules_describe(const struct fault_entry *entry)
{
    const struct fault_rule *rule = entry->rule;
    const struct fault_value *count = &rule->values[FAULT_KEY_COUNT];
    int64_t left = count->number - (int64_t)rule->hits;
    char last[EVENT_TIME_SIZE], *text = fault_format(rule);
    json_t *object;

    event_format_time(last, rule->last_hit);
    object = json_pack("{s:s, s:s, s:s, s:b, s:b, s:I, s:s?}", "id", rule->id, "kind",
                       rule->kind->name, "rule", text, "enabled", rule->is_enabled, "over",
                       fault_is_over(rule, event_now()), "hits", (json_int_t)rule->hits, "last_hit",
                       rule->last_hit > 0 ? last : NULL);
    json_object_set_new(object, "left",
                        count->is_given ? json_integer(left > 0 ? left : 0) : json_null());
    free(text);
    return object;
}
