/* Faults of addresses on a real network: one that two nodes answer for, one that nobody is told of.
 */
#pragma once

#include "sim-cluster/cluster.h"
#include "sim-cluster/fault_rules.h"

/* NULL, or an owned sentence: the network of the configuration has no such thing. */
char *fault_addresses_check(const struct supervisor *supervisor, const struct fault_rule *rule);

/* After how many seconds a floating IP that has come to a node is to be announced; below 0: never.
 * Counts the strike. */
double fault_addresses_delay(struct fault_rules *rules, const struct cluster_floating_ip *floating);

/* A second node answers for the address, for as long as another one has it. */
void fault_addresses_double(struct fault_rules *rules, struct fault_entry *entry,
                            struct cluster_floating_ip *floating);
void fault_addresses_end(struct fault_rules *rules, struct fault_entry *entry,
                         struct cluster_floating_ip *floating);
