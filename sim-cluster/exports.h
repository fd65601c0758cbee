/* Who may reach which target in which portal group: as the configuration says at first, then as it
 * is changed at run time. One row for each initiator, as StorPool has it. */
#pragma once

#include "sim-cluster/cluster.h"

/* Fills the exports of the cluster from its configuration, and the portal groups of its targets. */
void exports_init(struct cluster *cluster);
void exports_free(struct cluster *cluster);

/* false: it was there already. */
bool exports_add(struct cluster *cluster, int target, int group, const char *initiator);
/* `initiator` NULL: all of the target in the group. Returns how many there were. */
size_t exports_remove(struct cluster *cluster, int target, int group, const char *initiator);
