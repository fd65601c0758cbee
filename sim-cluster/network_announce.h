/* Announcements that an address is at a node now: frames sent through the node's own interface,
 * three times within a second, as hosts and switches miss some. */
#pragma once

#include "sim-cluster/network_mode.h"

void network_announce_begin(struct network *network, struct network_node *node,
                            const struct network_port *port, const struct address *address,
                            double delay_s);
/* No more of them. NULL: of any node; of any address. */
void network_announce_end(struct network *network, const struct network_node *node,
                          const struct address *address);
