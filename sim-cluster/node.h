/* A node's processes: started, watched, stopped, killed; and what a user can do to them. */
#pragma once

#include "sim-cluster/supervisor.h"

enum { NODE_START_DEADLINE_S = 10, NODE_MAP_DEADLINE_S = 10 };

static inline int node_number(const struct node *node)
{
    return node->state->config->number;
}

/* Loop time, seconds. */
static inline double node_now(const struct node *node)
{
    return ev_now(node->supervisor->loop);
}

void node_init(struct node *node, struct supervisor *supervisor, struct cluster_node *state);
void node_free(struct node *node);

/* Its target process; the first map makes it ready. */
void node_start(struct node *node);
/* It has applied its first map. */
void node_join(struct node *node);
/* It is to be fenced, and what it holds placed elsewhere. */
void node_fail(struct node *node, const char *why);

/* One of its processes has been reaped: the last one of a failed node makes it gone. */
void node_finish_fencing(struct node *node);

/* A floating IP's process on this node. 0 or -errno. */
int node_hold(struct node *node, struct cluster_floating_ip *floating);

void node_set_state(struct node *node, enum node_state state);
void node_signal(struct node *node, int signal);
void node_power_off(struct node *node);
/* NULL, or an owned sentence: the network cannot do that. */
char *node_isolate(struct node *node, enum network_direction direction);

/* Pings all processes; those that were silent for too long fail their node. */
void node_beat(struct node *node);
