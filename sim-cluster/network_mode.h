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
    bool is_cut;                      /* what it was is over: it is built anew when it starts */
    struct address *held;             /* owned: the addresses it has by now */
    size_t held_count;
    int *cuts; /* owned: descriptors of one_way.h */
    size_t cut_count;
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

/* Takes all its addresses from the node. */
void network_remove_all(struct network *network, struct network_node *node);
/* Both directions are open again. */
void network_end_cuts(struct network_node *node);

struct belongings;

/* Writes down what is going to be made; takes it. NULL, or an owned sentence. */
char *network_begin(struct network *network, struct belongings *belongings);
