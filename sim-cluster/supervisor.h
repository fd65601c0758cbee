/* The supervisor: starts the nodes' processes, notices when one fails, and brings what is into line
 * with what should be. Callbacks only record what happened; once a turn of the loop what has no
 * place is placed, what has changed is announced, and clients that wait are answered. */
#pragma once

#include "sim-cluster/cluster.h"
#include "sim-cluster/confinement.h"
#include "sim-cluster/fault_rules.h"
#include "sim-cluster/hosts.h"
#include "sim-cluster/network.h"
#include "sim-cluster/pace.h"
#include "sim-cluster/process.h"
#include "sim-cluster/wires.h"
#include "target/base/event.h"
#include "target/base/list.h"

#include <ev.h>
#include <jansson.h>

struct supervisor;

struct node {
    struct supervisor *supervisor; /* parent: outlives us */
    struct cluster_node *state;    /* borrowed */
    struct list processes;
    struct process *target; /* borrowed: one of the processes; NULL: not running */
    ev_timer detect;        /* detect_delay_ms */
    ev_timer power;         /* stopped processes come to rest before their sockets are taken */
    ev_timer settled;       /* failback_s */
    int64_t announced;      /* generation of the last map that its target process was sent */
    bool is_silenced;       /* power-off, isolate: nobody hears from it */
    double silent_since;    /* loop time */
    bool wants_start;       /* as soon as it is gone */
    bool was_draining;      /* before it was frozen */
    bool takes_back;        /* failback is due */
    int asked;              /* things a client waits for */
    int asked_sessions;     /* requests on their way */
    struct buffer gathered; /* owned: what has come of the answer, as cluster_node.sessions */
    size_t gathered_count;
    char *why;        /* owned: why it failed last; NULL: it did not */
    double failed_at; /* loop time */
};

enum supervisor_phase { SUPERVISOR_STARTING, SUPERVISOR_UP, SUPERVISOR_STOPPING };

/* Once: the cluster is up (`error` NULL), or cannot come up. */
typedef void supervisor_started(void *owner, const char *error);

struct supervisor {
    struct ev_loop *loop;
    const struct cluster_config *config;
    const char *directory; /* borrowed: the state directory */
    int lock;              /* borrowed: its lock, which children hold with us */
    char run[33];          /* tells this run from every other */
    char *programs;        /* owned: where target and portalgroup are */
    struct network network;
    struct confinement confinement;
    struct cluster cluster;
    struct node *nodes; /* as many as cluster.nodes, in the same order */
    struct fault_rules faults;
    struct wires wires;
    struct hosts hosts;
    enum supervisor_phase phase;
    bool targets_stale, published_stale; /* maps to be sent */
    bool maps_wanted;                    /* by processes that have just been started */
    bool has_unplaced; /* some target may have no node, or waits to be asked for or let go */
    int64_t published; /* generation of the last map for those who hold floating IPs */
    int announcing;    /* maps on their way */
    ev_prepare turn;
    ev_timer heartbeat, wake, stop;
    double last_beat;
    struct pace pace;
    int64_t recorded;    /* bytes of events.jsonl by now */
    struct list pending; /* requests of clients that wait, pending.h */
    char *error;         /* owned: why the start failed */
    supervisor_started *on_started;
    event_sink *on_event;
    void (*flush_events)(void *owner); /* `recorded` counts all that were told */
    void *owner;
};

/* Starts all nodes. `supervisor` is zeroed but for loop, config, directory, lock, programs,
 * network, confinement, and the callbacks with their owner. */
void supervisor_start(struct supervisor *supervisor);
/* Ends all processes, politely first; then the loop is broken. */
void supervisor_stop(struct supervisor *supervisor);
void supervisor_free(struct supervisor *supervisor);

/* The start cannot succeed; the first reason counts. */
void supervisor_fail_start(struct supervisor *supervisor, const char *error);

struct node *supervisor_find_node(struct supervisor *supervisor, int number);
/* A child process in `node` that holds the floating IP; NULL: none. */
struct process *supervisor_find_holder(struct node *node,
                                       const struct cluster_floating_ip *floating);
