/* The one module that touches addresses. In loopback mode there is nothing to configure: it checks
 * that addresses are this machine's, and keeps the connections of a node that lost its power open
 * and mute, so that hosts see silence instead of an end. */
#pragma once

#include "sim-cluster/cluster_config.h"

#include <stddef.h>
#include <sys/types.h>

/* NULL, or an owned sentence naming the first address that cannot be used. */
char *network_check(const struct cluster_config *config);

/* Connections that nobody reads or answers any more. */
struct muted {
    int *sockets; /* owned */
    size_t count;
};

/* Takes duplicates of all connected TCP sockets of a (stopped) process; then it may be killed
 * without its peers noticing. Listeners are not kept: their ports must become free. */
void network_mute(struct muted *muted, pid_t pid, int pidfd);
/* The node is back: its old connections are reset. */
void network_unmute(struct muted *muted);
