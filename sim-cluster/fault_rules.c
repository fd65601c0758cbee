#include "sim-cluster/fault_rules.h"

#include "sim-cluster/fault_nodes.h"
#include "sim-cluster/supervisor.h"
#include "target/base/log.h"
#include "target/base/memory.h"

#include <stdlib.h>
#include <string.h>

#define TICK_S 0.05

static void free_entry(struct fault_rules *rules, struct fault_entry *entry)
{
    if (!entry)
        return;
    list_remove(&entry->link);
    rules->slots[entry->rule->slot] = false;
    free_entry(rules, entry->replaced);
    fault_free(entry->rule);
    free(entry->refusal);
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
    if (rule->kind->where == FAULT_NETWORK)
        return wires_check(&rules->supervisor->wires, rule);
    return fault_nodes_has(rule) ? fault_nodes_check(rules->supervisor, rule) : NULL;
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

static void tell_set(const struct fault_entry *entry)
{
    char *words = fault_format(entry->rule);

    event(EVENT_FAULT_SET, text("fault", entry->rule->id), text("rule", words));
    free(words);
}

static void tell_end(const struct fault_entry *entry, const char *why)
{
    event(EVENT_FAULT_CLEARED, text("fault", entry->rule->id),
          text("kind", entry->rule->kind->name), number("hits", (int64_t)fault_hits(entry->rule)),
          text("reason", why));
}

/* Out of the list, its place on the board kept. */
static void suspend(struct fault_rules *rules, struct fault_entry *entry, const char *why)
{
    bool was_enabled = entry->rule->is_enabled;

    entry->rule->is_enabled = false;
    if (fault_nodes_has(entry->rule))
        fault_nodes_tick(rules, entry);
    entry->rule->is_enabled = was_enabled;
    tell_end(entry, why);
    list_remove(&entry->link);
}

/* The ones used longest ago come last, so that a process that is late counts for nobody else. */
static bool take_slot(struct fault_rules *rules, struct fault_rule *rule)
{
    for (int i = 1; rules->board.slots && i < FAULT_BOARD_SLOTS; i++) {
        int slot = rules->last_slot = rules->last_slot % (FAULT_BOARD_SLOTS - 1) + 1;

        if (rules->slots[slot])
            continue;
        rules->slots[slot] = true;
        memset(&rules->board.slots[slot], 0, sizeof(rules->board.slots[slot]));
        rule->slot = slot;
        rule->counts = &rules->board.slots[slot];
        return true;
    }
    return false;
}

char *fault_rules_set(struct fault_rules *rules, struct fault_rule *rule)
{
    char *wrong = check_references(rules, rule);
    struct fault_entry *entry;

    if (!wrong && !take_slot(rules, rule))
        wrong = memory_copy_text("there is no room for another rule; \"fault clear\" makes some");
    if (wrong) {
        fault_free(rule);
        return wrong;
    }
    name_rule(rules, rule);
    entry = memory_new(sizeof(*entry));
    entry->rule = rule;
    entry->serial = ++rules->last_serial;
    entry->is_accepted = rules->supervisor->phase == SUPERVISOR_STARTING;
    entry->replaced = fault_rules_find(rules, rule->id);
    if (entry->replaced)
        suspend(rules, entry->replaced, "replaced");
    rule->since = event_now();
    list_append(&rules->entries, &entry->link);
    tell_set(entry);
    return NULL;
}

int fault_rules_last(const struct fault_rules *rules)
{
    return rules->last_serial;
}

static struct fault_entry *find_serial(const struct list *entries, int serial)
{
    LIST_FOR_EACH (link, entries) {
        struct fault_entry *entry = container_of(link, struct fault_entry, link);

        if (entry->serial == serial)
            return entry;
    }
    return NULL;
}

void fault_rules_refused(struct fault_rules *rules, int serial, const char *why)
{
    struct fault_entry *entry = find_serial(&rules->entries, serial), *old;

    if (rules->supervisor->phase == SUPERVISOR_STARTING)
        supervisor_fail_start(rules->supervisor, why);
    if (find_serial(&rules->refused, serial))
        return; /* by another process, too */
    if (!entry || entry->is_accepted)
        log_line(LOG_ERROR, "a fault rule is refused: %s", why);
    if (!entry)
        return;
    suspend(rules, entry, "refused");
    entry->refusal = memory_copy_text(why);
    list_append(&rules->refused, &entry->link); /* for whoever waits to hear of it */
    old = entry->replaced;
    entry->replaced = NULL;
    if (old) {
        list_append(&rules->entries, &old->link);
        tell_set(old);
    }
    fault_rules_send(rules);
}

char *fault_rules_settle(struct fault_rules *rules, int serial)
{
    struct fault_entry *entry = find_serial(&rules->entries, serial);
    char *refusal = NULL;

    if (entry) {
        entry->is_accepted = true;
        free_entry(rules, entry->replaced);
        entry->replaced = NULL;
    } else if ((entry = find_serial(&rules->refused, serial))) {
        refusal = memory_copy_text(entry->refusal);
        free_entry(rules, entry);
    }
    return refusal;
}

void fault_rules_clear(struct fault_rules *rules, struct fault_entry *entry)
{
    suspend(rules, entry, "cleared");
    free_entry(rules, entry);
}

void fault_rules_enable(struct fault_rules *rules, struct fault_entry *entry, bool is_enabled)
{
    if (entry->rule->is_enabled == is_enabled)
        return;
    entry->rule->is_enabled = is_enabled;
    entry->is_over_told = false;
    entry->rule->since = event_now();
    if (fault_nodes_has(entry->rule))
        fault_nodes_tick(rules, entry);
    if (is_enabled)
        tell_set(entry);
    else
        tell_end(entry, "disabled");
}

/* ---- while they are in force ---- */

bool fault_rules_strike(struct fault_rules *rules, struct fault_entry *entry)
{
    (void)rules;
    if (!fault_strikes(entry->rule, event_now()))
        return false;
    event(EVENT_FAULT_HIT, text("fault", entry->rule->id), text("kind", entry->rule->kind->name),
          number("hits", (int64_t)fault_hits(entry->rule)));
    return true;
}

bool fault_rules_is_active(struct fault_rules *rules, const struct fault_entry *entry)
{
    const struct fault_value *after = &entry->rule->values[FAULT_KEY_AFTER];
    const struct fault_entry *other = after->is_given ? fault_rules_find(rules, after->text) : NULL;

    return entry->rule->is_enabled && !fault_is_over(entry->rule, event_now()) &&
           (!after->is_given || (other && fault_hits(other->rule)));
}

/* Whether it is over since now: then processes may let go what they hold for it. */
static bool look(struct fault_rules *rules, struct fault_entry *entry)
{
    if (fault_nodes_has(entry->rule))
        fault_nodes_tick(rules, entry);
    if (entry->is_over_told || !entry->rule->is_enabled || !fault_is_over(entry->rule, event_now()))
        return false;
    entry->is_over_told = true;
    tell_end(entry, "it is over");
    return !fault_nodes_has(entry->rule);
}

static void on_tick(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)loop, (void)events;
    struct fault_rules *rules = container_of(timer, struct fault_rules, tick);
    bool has_changed = false;

    LIST_FOR_EACH (link, &rules->entries)
        has_changed |= look(rules, container_of(link, struct fault_entry, link));
    if (has_changed)
        fault_rules_send(rules);
    else
        wires_follow(&rules->supervisor->wires); /* nodes come and go meanwhile */
}

int fault_rules_init(struct fault_rules *rules, struct supervisor *supervisor)
{
    *rules = (struct fault_rules){.supervisor = supervisor};
    list_init(&rules->entries);
    list_init(&rules->refused);
    ev_timer_init(&rules->tick, on_tick, TICK_S, TICK_S);
    return fault_board_new(&rules->board);
}

void fault_rules_free(struct fault_rules *rules)
{
    LIST_FOR_EACH_SAFE (link, &rules->entries)
        free_entry(rules, container_of(link, struct fault_entry, link));
    LIST_FOR_EACH_SAFE (link, &rules->refused)
        free_entry(rules, container_of(link, struct fault_entry, link));
    fault_board_free(&rules->board);
    ev_timer_stop(rules->supervisor->loop, &rules->tick);
}

json_t *fault_rules_describe(const struct fault_entry *entry)
{
    const struct fault_rule *rule = entry->rule;
    const struct fault_value *count = &rule->values[FAULT_KEY_COUNT];
    int64_t left = count->number - (int64_t)fault_hits(rule);
    char last[EVENT_TIME_SIZE], *text = fault_format(rule);
    json_t *object;

    event_format_time(last, fault_last_hit(rule));
    object = json_pack("{s:s, s:s, s:s, s:b, s:b, s:I, s:s?}", "id", rule->id, "kind",
                       rule->kind->name, "rule", text, "enabled", rule->is_enabled, "over",
                       fault_is_over(rule, event_now()), "hits", (json_int_t)fault_hits(rule),
                       "last_hit", fault_last_hit(rule) > 0 ? last : NULL);
    json_object_set_new(object, "left",
                        count->is_given ? json_integer(left > 0 ? left : 0) : json_null());
    free(text);
    return object;
}
