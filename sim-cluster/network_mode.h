/* What a mode of the network is: functions, and what they share. Only network*.c include this. */
#pragma once

#include "sim-cluster/muted.h"
#include "sim-cluster/netlink.h"
#include "sim-cluster/network.h"
#include "sim-cluster/network_plan.h"

/* A node's interface in one network. */
struct network_port {
    int index; /* of the interface that has the addresses; 0: none */
    uint8_t mac[6];
};

struct network_node {
    const struct node_config *config; /* borrowed */
    struct network_port *ports;       /* owned: one a network */
    int space;                        /* its namespace; -1: none */
    struct netlink *netlink;          /* where its interfaces are. NULL: it has none */
    bool is_started;                  /* its portals have their addresses */
    bool is_cut;                      /* what it was is over: it is built anew when it starts */
    struct muted muted;
};

/* Functions that a mode does not need are NULL. */
struct network_mode {
    char *(*check)(const struct cluster_config *config);
    char *(*open)(struct network *network);
    /* The interfaces of a node, without addresses. */
    char *(*start_node)(struct network *network, struct network_node *node);
    char *(*cut)(struct network *network, struct network_node *node,
                 enum network_direction direction);
    bool has_addresses;  /* they are added and removed */
    bool is_cut_by_link; /* network_is_cut_by_link */
};

extern const struct network_mode network_loopback, network_host, network_netns;

/* Takes all portals' addresses from the node. */
void network_remove_portals(struct network *network, struct network_node *node);
/* Opens and marks; common to the modes that change the system. The belongings are taken. NULL, or
 * an owned sentence. */
struct belongings;
char *network_begin(struct network *network, struct belongings *belongings);
