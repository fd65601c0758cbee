/* What the nodes of network = netns are connected to: a private bridge, a bridge of this machine,
 * or by macvlan one of its interfaces; with the addresses that this machine itself has there. */
#pragma once

#include "sim-cluster/network_mode.h"

/* Looks whether everything that will be made can be, writes it down, and makes what the nodes have
 * in common. NULL, or an owned sentence. */
char *network_uplink_open(struct network *network);
