/* What a network is to be like, from the configuration alone: which addresses belong to it, the
 * names of its links, the MAC addresses. Decides only. */
#pragma once

#include "sim-cluster/cluster_config.h"

enum { NETWORK_MAC_SIZE = 6, NETWORK_THIS_MACHINE = 0 /* as a node's number */ };

/* The first network from index `from` that the address belongs to; -1: none. */
int network_plan_find(const struct cluster_config *config, const struct address *address,
                      size_t from);
/* The address with the prefix that its network has. It must belong to the network. */
struct subnet network_plan_subnet(const struct network_config *network,
                                  const struct address *address);

/* The same for the same configuration: locally administered, the last two bytes are the node. */
void network_plan_mac(uint8_t mac[static NETWORK_MAC_SIZE], const struct cluster_config *config,
                      size_t network, int node);

/* Owned names: of a node's namespace; of this machine's interface in a network (the private bridge,
 * the bridge that is there, a macvlan); of the far end of a node's link. */
char *network_plan_namespace(const struct cluster_config *config, int node);
char *network_plan_own(const struct cluster_config *config, size_t network);
char *network_plan_port(const struct cluster_config *config, size_t network, int node);
/* Of an end of the cable that a wire adds to it. */
char *network_plan_wire(const struct cluster_config *config, size_t network, int node, char end);
