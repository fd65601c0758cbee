/* The fault rules of the cluster: set, listed, cleared; told to every process, again to those that
 * start; all of them count on one board. A rule that a process refuses is in force nowhere. Rules
 * about nodes and floating IPs are carried out here, fault_nodes.h. */
#pragma once

#include "target/base/fault.h"
#include "target/base/list.h"

#include <ev.h>

struct node;
struct process;
struct supervisor;

struct fault_entry {
    struct list link;
    struct fault_rule *rule;      /* owned */
    int serial;                   /* from 1 */
    bool is_accepted;             /* by all processes */
    struct fault_entry *replaced; /* owned: comes back if this one is refused; or NULL */
    char *refusal;                /* owned: of one that is not in force; NULL: it is */
    bool is_over_told;
    double next; /* loop time: of fault_nodes.c */
    int second;  /* the other node that answers: of fault_addresses.c; 0: none */
};

struct fault_rules {
    struct supervisor *supervisor; /* parent */
    struct list entries, refused;
    struct fault_board board;
    bool slots[FAULT_BOARD_SLOTS]; /* in use; the first is nobody's */
    int last_slot, last_serial;
    ev_timer tick; /* runs while there are rules */
    int asked;     /* processes that have not answered yet */
    int named;     /* rules that got a name from us */
};

/* 0 or -errno. */
int fault_rules_init(struct fault_rules *rules, struct supervisor *supervisor);
void fault_rules_free(struct fault_rules *rules);

/* Takes the rule; one of the same id is replaced. NULL, or an owned sentence: it can never match.
 */
char *fault_rules_set(struct fault_rules *rules, struct fault_rule *rule);
/* The serial number of the rule that was set last. */
int fault_rules_last(const struct fault_rules *rules);
/* When `asked` is 0: NULL, all processes have the rule; or an owned sentence: one refused it. */
char *fault_rules_settle(struct fault_rules *rules, int serial);
struct fault_entry *fault_rules_find(struct fault_rules *rules, const char *id);
void fault_rules_clear(struct fault_rules *rules, struct fault_entry *entry);
void fault_rules_enable(struct fault_rules *rules, struct fault_entry *entry, bool is_enabled);

/* Tells all processes; `asked` falls to 0 when they have answered, or could have. */
void fault_rules_send(struct fault_rules *rules);
/* A process has started. */
void fault_rules_greet(struct fault_rules *rules, struct node *node, struct process *process);
/* A process refuses the rules as they are now: `serial` is the newest of them that was not accepted
 * then; 0: none. */
void fault_rules_refused(struct fault_rules *rules, int serial, const char *why);
/* One strike of a rule that is carried out here. */
bool fault_rules_strike(struct fault_rules *rules, struct fault_entry *entry);
/* Is it in force now? */
bool fault_rules_is_active(struct fault_rules *rules, const struct fault_entry *entry);

/* {"id", "kind", "rule", "enabled", "over", "hits", "left" (null: no limit), "last_hit"}; owned. */
json_t *fault_rules_describe(const struct fault_entry *entry);
