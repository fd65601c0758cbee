/* What the halves of moves.h share: moves_targets.c and moves_floating.c do the steps, moves.c
 * decides when. */
#pragma once

#include "sim-cluster/moves.h"
#include "sim-cluster/node.h"

#define MOVES_RETRY_S 1.0

/* A node's number, or null for none. */
static inline struct event_field moves_node_field(const char *name, int node)
{
    return node ? number(name, node) : text(name, NULL);
}

static inline int64_t moves_milliseconds_since(const struct node *node, double since)
{
    return since > 0 ? (int64_t)((node_now(node) - since) * 1000) : 0;
}

/* To the node that suits it best, if there is one. */
void moves_place_target(struct supervisor *supervisor, struct cluster_target *target);
void moves_place_floating_ip(struct supervisor *supervisor, struct cluster_floating_ip *floating);

/* Nobody has it any more; it may be placed again at that loop time. */
void moves_lose_target(struct supervisor *supervisor, struct cluster_target *target,
                       double may_place_at);
void moves_lose_floating_ip(struct supervisor *supervisor, struct cluster_floating_ip *floating,
                            double may_place_at);

/* Its node is to close it, now that no floating IP sends anybody there. */
void moves_ask_release(struct node *from, struct cluster_target *target);

/* It stops being served, and may still be held. */
void moves_begin_absence(struct node *node, struct cluster_target *target, enum target_phase phase);
void moves_take_down(struct node *node, struct cluster_floating_ip *floating, const char *why);
