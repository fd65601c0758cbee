/* Targets and floating IPs on their way from node to node, planned or not. */
#pragma once

#include "sim-cluster/supervisor.h"

/* Gives every target and floating IP that has no node, and may be placed by now, to one; then sets
 * out to move what has to leave a node that drains, or to come home. */
void moves_turn(struct supervisor *supervisor);

/* It is asked to, so it has to be there and listen. */
bool moves_can_leave(const struct node *node);

/* A planned move to node `to` (0: where it suits best) from a node that can_leave. Ends in
 * TARGET_SERVING or FLOATING_UP again, wherever that is. A target is let go once every floating IP
 * knows that nobody is to be sent there. */
void moves_release_target(struct node *from, struct cluster_target *target, int to);
void moves_stop_floating_ip(struct node *from, struct cluster_floating_ip *floating, int to);

/* A node has failed; it is gone: nothing of it runs any more. */
void moves_node_lost(struct node *node);
void moves_node_gone(struct node *node);

/* A node has opened what the map of that generation gives it, but for what is in `failed`: target
 * to sentence, borrowed, or NULL. Or it could not take the map. */
void moves_node_applied(struct node *node, int64_t generation, const json_t *failed);
void moves_node_refused(struct node *node, int64_t generation);

/* A floating IP's process listens; cannot; has ended as it was told. */
void moves_holder_applied(struct node *node, struct cluster_floating_ip *floating);
void moves_holder_refused(struct node *node, struct process *process, const char *error);
void moves_holder_ended(struct node *node, struct cluster_floating_ip *floating);
