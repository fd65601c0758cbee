/* Faults of nodes and floating IPs, carried out by the supervisor: one row a kind. */
#pragma once

#include "sim-cluster/fault_rules.h"

/* Whether the rule is carried out here, and not in the processes. */
bool fault_nodes_has(const struct fault_rule *rule);
/* NULL, or an owned sentence: it can never match. */
char *fault_nodes_check(struct supervisor *supervisor, const struct fault_rule *rule);
/* Does what is due, or, when the rule is not in force any more, undoes it. */
void fault_nodes_tick(struct fault_rules *rules, struct fault_entry *entry);
