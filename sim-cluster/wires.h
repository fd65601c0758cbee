/* The wires of a cluster: for as long as a rule of network.* may strike at a node's link, a process
 * of its own stands between the link and its network, wire.h. Owns those processes. */
#pragma once

#include "sim-cluster/process.h"

struct fault_rule;
struct node;
struct supervisor;

struct wires {
    struct supervisor *supervisor; /* parent */
    struct list list;              /* of struct wire_link */
};

/* Of one node's link to one network. */
struct wire_link {
    struct list link;
    struct wires *wires; /* parent */
    struct node *node;   /* borrowed */
    size_t network;
    struct process *process; /* owned */
};

void wires_init(struct wires *wires, struct supervisor *supervisor);
/* Ends all of them at once. */
void wires_free(struct wires *wires);

/* NULL, or an owned sentence: the rule can never match here. */
char *wires_check(const struct wires *wires, const struct fault_rule *rule);
/* Rules came, went or ended: links that need a wire get one, those that need none lose it. */
void wires_follow(struct wires *wires);
/* The node's links are others now. */
void wires_renew(struct wires *wires, struct node *node);
