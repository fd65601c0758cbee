/* The portals of a node: listening sockets, opened and closed as the map says. */
#pragma once

#include "target/base/list.h"
#include "target/base/listener.h"
#include "target/iscsi/map.h"

/* Brings the open portals in line with the node's part of the map. 0, or -errno with *failed set:
 * that one cannot be opened. What is open already stays open. */
int portals_apply(struct list *portals, struct ev_loop *loop, const struct map *map, int node,
                  listener_accepted *on_accepted, void *owner, struct address *failed);
void portals_close(struct list *portals);
