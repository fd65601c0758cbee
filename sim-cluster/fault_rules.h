/* The fault rules of the cluster: set, listed, cleared; told to every process, again to those that
 * start, with what became of them so far. Rules about nodes and floating IPs are carried out here,
 * fault_nodes.h. */
#pragma once

#include "target/base/fault.h"
#include "target/base/list.h"

#include <ev.h>
#include <sys/types.h>

struct node;
struct process;
struct supervisor;
struct fault_tally;

struct fault_entry {
    struct list link;
    struct fault_rule *rule;     /* owned; hits and last_hit are the cluster's */
    struct fault_tally *tallies; /* owned: one a process that has counted */
    size_t tally_count;
    bool is_over_told;
    double next; /* loop time: of fault_nodes.c */
};

struct fault_rules {
    struct supervisor *supervisor; /* parent */
    struct list entries;
    ev_timer tick; /* runs while there are rules */
    int ticks;
    int asked; /* processes that have not answered yet */
    int named; /* rules that got a name from us */
};

void fault_rules_init(struct fault_rules *rules, struct supervisor *supervisor);
void fault_rules_free(struct fault_rules *rules);

/* Takes the rule; one of the same id is replaced. NULL, or an owned sentence: it can never match.
 */
char *fault_rules_set(struct fault_rules *rules, struct fault_rule *rule);
struct fault_entry *fault_rules_find(struct fault_rules *rules, const char *id);
void fault_rules_clear(struct fault_rules *rules, struct fault_entry *entry);
void fault_rules_enable(struct fault_rules *rules, struct fault_entry *entry, bool is_enabled);

/* Tells all processes; `asked` falls to 0 when they have answered, or could have. */
void fault_rules_send(struct fault_rules *rules);
/* A process has started. */
void fault_rules_greet(struct fault_rules *rules, struct process *process);
/* Asks all processes what they have counted; `asked` as above. */
void fault_rules_count(struct fault_rules *rules);
/* One strike of a rule that is carried out here. */
bool fault_rules_strike(struct fault_rules *rules, struct fault_entry *entry);
/* Is it in force now? */
bool fault_rules_is_active(struct fault_rules *rules, const struct fault_entry *entry);

/* {"id", "kind", "rule", "enabled", "over", "hits", "left" (null: no limit), "last_hit"}; owned. */
json_t *fault_rules_describe(const struct fault_entry *entry);
