/* The one module that touches addresses, links and namespaces. What the rest of the program asks of
 * it does not depend on the mode, network = loopback | host | netns; a mode is a row of functions,
 * network_mode.h. Nodes are named by their numbers. */
#pragma once

#include "sim-cluster/cluster_config.h"
#include "target/base/list.h"

#include <ev.h>
#include <stddef.h>
#include <sys/types.h>

enum network_direction { NETWORK_BOTH, NETWORK_IN, NETWORK_OUT };

struct network {
    struct ev_loop *loop;
    const struct cluster_config *config; /* borrowed */
    const struct network_mode *mode;
    struct network_node *nodes;  /* owned: in the order of the configuration; NULL: not open */
    struct netlink *netlink;     /* owned: of the namespace we run in; NULL: not needed */
    char *directory, *mark;      /* owned: the state directory, the sign of what is ours */
    struct list announcements;   /* on their way */
    struct network_watch *watch; /* owned; NULL: nothing to watch */
};

/* NULL, or an owned sentence naming the first thing that cannot be used. Changes nothing. */
char *network_check(const struct cluster_config *config);

/* Removes what an earlier run has left behind and makes what the nodes have in common. NULL, or an
 * owned sentence; network_close removes what has been made by then. */
char *network_open(struct network *network, struct ev_loop *loop,
                   const struct cluster_config *config, const char *directory);
/* Nothing of it is left. Also for one that was never opened. */
void network_close(struct network *network);

/* The node is connected and has its portals' addresses. NULL, or an owned sentence. */
char *network_start_node(struct network *network, int node);
/* Where its processes have to run: a descriptor for process_start, or -1: here. */
int network_space(const struct network *network, int node);

/* A floating IP comes to a node, and goes. 0 or -errno. */
int network_add_address(struct network *network, int node, const struct address *address);
void network_remove_address(struct network *network, int node, const struct address *address);
/* Tells everybody, a few times, who has it now; after so many seconds. */
void network_announce(struct network *network, int node, const struct address *address,
                      double delay_s);

/* From now on nothing reaches the node or leaves it (or one of the two). NULL, or an owned
 * sentence: this is not possible here. */
char *network_cut(struct network *network, int node, enum network_direction direction);
/* Is a node that was cut silent by that? Else its processes have to keep silent themselves, and
 * their connections are to be muted before they end. */
bool network_is_cut_by_link(const struct network *network);
/* Keeps the connections of a process that is going to be killed; until the node starts. How many
 * there are by now. */
size_t network_mute(struct network *network, int node, pid_t pid, int pidfd);
