/* A node's link to a network taken apart, so that a process can stand between. */
#pragma once

#include "sim-cluster/network.h"

/* NULL, or an owned sentence: links cannot be taken apart here. */
char *network_cannot_splice(const struct network *network, size_t index);
/* `ends` become packet sockets, owned by the caller: at the node, and at the bridge. `index` is the
 * network's. NULL, or an owned sentence; then the link is as it was. */
char *network_splice(struct network *network, int node, size_t index, int ends[2]);
/* The link is whole again; also when the node has lost it meanwhile. */
void network_unsplice(struct network *network, int node, size_t index);
