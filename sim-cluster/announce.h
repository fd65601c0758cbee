/* Tells the processes the next generation of the map: first the nodes, which open volumes; then, as
 * they answer, the floating IPs, which send initiators there. */
#pragma once

#include "sim-cluster/supervisor.h"

/* A new generation to all nodes, or to all floating IPs. */
void announce_to_targets(struct supervisor *supervisor);
void announce_published(struct supervisor *supervisor);

/* The present generation to a process that has just been started, with the next announcement or at
 * the end of the turn. */
void announce_to_process(struct node *node, struct process *process);
void announce_wanted(struct supervisor *supervisor);

/* Does every floating IP that answers initiators follow a map of that generation or later? Or: of
 * where everything is now? */
bool announce_is_known(const struct supervisor *supervisor, int64_t generation);
bool announce_is_all_known(const struct supervisor *supervisor);
