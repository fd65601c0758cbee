/* Watches the interfaces that uplinks are: one that loses its link, or gets it back, is an event.
 */
#pragma once

#include "sim-cluster/network_mode.h"

/* NULL where all networks are private, or the kernel does not tell. */
struct network_watch *network_watch_new(struct network *network);
void network_watch_free(struct network_watch *watch);
