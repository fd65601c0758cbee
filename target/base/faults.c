#include "target/base/faults.h"

#include "target/base/event.h"
#include "target/base/list.h"
#include "target/base/memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { EVENTS_A_SECOND = 20 };

struct faults_entry {
    struct fault_rule *rule; /* owned */
    double window;           /* the second that `told` counts in, unix time */
    unsigned told, untold;   /* events sent in it; hits without an event of their own */
};

bool fault_is_kind(const struct fault_rule *rule, const char *kind)
{
    return !strcmp(rule->kind->name, kind);
}

/* Wakes up when the next rule ends. */
static void plan(struct faults *faults)
{
    double now = event_now(), next = faults->looks_again ? 0 : -1;

    for (size_t i = 0; i < faults->count; i++) {
        const struct fault_rule *rule = faults->entries[i].rule;
        const struct fault_value *time = &rule->values[FAULT_KEY_FOR];
        double left = rule->since + (double)time->number / 1000 - now;

        if (time->is_given && left > 0 && (next < 0 || left < next))
            next = left;
    }
    ev_timer_stop(faults->loop, &faults->change);
    if (next < 0)
        return;
    ev_now_update(faults->loop);
    ev_timer_set(&faults->change, next > 0 ? next + 0.001 : 0, 0);
    ev_timer_start(faults->loop, &faults->change);
}

/* Has on_changed follow from the loop. */
static void look_again(struct faults *faults)
{
    faults->looks_again = true;
    plan(faults);
}

static void on_change(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)loop, (void)events;
    struct faults *faults = container_of(timer, struct faults, change);

    faults->looks_again = false;
    faults->on_changed(faults->owner);
    plan(faults);
}

void faults_init(struct faults *faults, struct ev_loop *loop, faults_changed *on_changed,
                 void *owner)
{
    *faults = (struct faults){.loop = loop, .on_changed = on_changed, .owner = owner};
    ev_init(&faults->change, on_change);
}

static struct faults_entry *find(const struct faults *faults, const char *id)
{
    for (size_t i = 0; i < faults->count; i++)
        if (!strcmp(faults->entries[i].rule->id, id))
            return &faults->entries[i];
    return NULL;
}

static void free_entries(struct faults_entry *entries, size_t count)
{
    for (size_t i = 0; i < count; i++)
        fault_free(entries[i].rule);
    free(entries);
}

/* NULL with *error set: it is wrong, or cannot be counted. */
static struct fault_rule *decode_rule(struct faults *faults, const json_t *object, char **error)
{
    struct fault_rule *rule = fault_decode(object, error);
    int code = rule && rule->slot ? fault_board_join(&faults->board) : 0;

    if (!rule)
        return NULL;
    if (!rule->id)
        *error = memory_format("a rule of kind %s has no id", rule->kind->name);
    else if (code)
        *error =
            memory_format("the cluster's counts of faults cannot be mapped: %s", strerror(-code));
    if (rule->slot && !code)
        rule->counts = &faults->board.slots[rule->slot];
    rule->is_new = true;
    if (!rule->since)
        rule->since = event_now();
    return rule;
}

/* The rules of a request; NULL with *error set: one is wrong. */
static struct faults_entry *decode(struct faults *faults, const json_t *list, char **error)
{
    struct faults_entry *entries = memory_new((json_array_size(list) + 1) * sizeof(*entries));

    for (size_t i = 0; i < json_array_size(list); i++) {
        entries[i].rule = decode_rule(faults, json_array_get(list, i), error);
        if (*error) {
            free_entries(entries, i + 1);
            return NULL;
        }
    }
    return entries;
}

/* What was there already goes on where it was. */
static void keep_known(struct faults *faults, struct faults_entry *entries, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct faults_entry *old = find(faults, entries[i].rule->id), new = entries[i];

        if (!old || !fault_is_same(old->rule, new.rule))
            continue;
        entries[i] = *old;
        *old = new;
    }
}

void faults_take(struct faults *faults, struct child *child, int64_t id, const json_t *request)
{
    const json_t *list = json_object_get(request, "rules");
    char *error = NULL;
    struct faults_entry *entries = decode(faults, list, &error), *old = faults->entries;
    size_t old_count = faults->count;

    if (!entries) {
        child_refuse(child, id, "%s", error);
        free(error);
        return;
    }
    keep_known(faults, entries, json_array_size(list));
    faults->entries = entries;
    faults->count = json_array_size(list);
    faults->on_changed(faults->owner);
    free_entries(old, old_count); /* not before everybody has let go of them */
    for (size_t i = 0; i < faults->count; i++)
        faults->entries[i].rule->is_new = false;
    plan(faults);
    child_reply(child, id, NULL);
}

bool faults_need(const struct faults *faults, unsigned where)
{
    double now = event_now();

    for (size_t i = 0; i < faults->count; i++) {
        const struct fault_rule *rule = faults->entries[i].rule;

        if (rule->kind->where & where && rule->is_enabled && !fault_is_over(rule, now))
            return true;
    }
    return false;
}

void faults_let_go(struct faults *faults, unsigned where)
{
    if (!faults_need(faults, where))
        look_again(faults);
}

/* The rule that this one waits for. */
static bool has_fired(const struct faults *faults, const struct fault_rule *rule)
{
    const struct faults_entry *other;

    if (rule->after_slot && faults->board.slots)
        return atomic_load(&faults->board.slots[rule->after_slot].hits) > 0;
    other = find(faults, rule->values[FAULT_KEY_AFTER].text);
    return other && fault_hits(other->rule);
}

static bool applies(const struct faults *faults, const struct fault_rule *rule,
                    const struct fault_point *point)
{
    return fault_matches(rule, point) &&
           (!rule->values[FAULT_KEY_AFTER].is_given || has_fired(faults, rule));
}

static void tell(struct faults_entry *entry, const struct fault_point *point)
{
    const struct fault_rule *rule = entry->rule;
    double now = event_now();
    char opcode[8];

    if (now - entry->window >= 1) {
        entry->window = now;
        entry->told = 0;
    }
    if (entry->told++ >= EVENTS_A_SECOND) {
        entry->untold++;
        return;
    }
    snprintf(opcode, sizeof(opcode), "0x%02x", point->command & 0xff);
    event(EVENT_FAULT_HIT, text("fault", rule->id), text("kind", rule->kind->name),
          number("hits", (int64_t)fault_hits(rule)), number("untold", entry->untold),
          text("initiator", point->initiator), text("portal", point->portal),
          text("volume", point->volume), number("session", point->session),
          text("pdu", point->pdu >= 0 ? fault_name_of(fault_pdus, (uint32_t)point->pdu) : NULL),
          text("command", point->command >= 0 ? opcode : NULL), number("lba", point->lba));
    entry->untold = 0;
}

struct fault_rule *faults_strike(struct faults *faults, const struct fault_point *point,
                                 size_t *index)
{
    for (; *index < faults->count; ++*index) {
        struct faults_entry *entry = &faults->entries[*index];

        if (!applies(faults, entry->rule, point) || !fault_strikes(entry->rule, event_now()))
            continue;
        tell(entry, point);
        ++*index;
        if (fault_is_over(entry->rule, event_now()))
            look_again(faults);
        return entry->rule;
    }
    return NULL;
}

struct fault_rule *faults_match(struct faults *faults, const struct fault_point *point,
                                const char *kind)
{
    for (size_t i = 0; i < faults->count; i++) {
        struct fault_rule *rule = faults->entries[i].rule;

        if (fault_is_kind(rule, kind) && applies(faults, rule, point) && faults_hold(faults, rule))
            return rule;
    }
    return NULL;
}

bool faults_hold(const struct faults *faults, const struct fault_rule *rule)
{
    for (size_t i = 0; i < faults->count; i++) {
        const struct fault_rule *there = faults->entries[i].rule;
        const struct fault_value *time = &there->values[FAULT_KEY_FOR];

        if (there == rule)
            return rule->is_enabled &&
                   (!time->is_given || event_now() - rule->since < (double)time->number / 1000);
    }
    return false;
}
