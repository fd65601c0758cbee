/* The state of the cluster: what every node, target and floating IP is doing. No input or output:
 * the supervisor changes it, map and status show it. */
#pragma once

#include "sim-cluster/cluster_config.h"
#include "sim-cluster/failover.h"
#include "target/base/buffer.h"
#include "target/base/name_index.h"

struct cluster_node {
    const struct node_config *config; /* borrowed, as all configurations here */
    enum node_state state;
    enum node_stage stage;
    uint64_t groups;        /* bit n: has a portal in portal group n */
    struct buffer sessions; /* owned: the last known ones as `status` tells them, a line each */
    size_t session_count;
    bool refuses;     /* a fault: it takes nothing over */
    int target_count; /* that it is controller of */
};

/* What a map says of a target that may change. */
struct target_view {
    uint64_t size;
    int controller, former;
    double moved_at;
    int64_t changed, resized; /* generations of the map: the first that said so, that size */
    uint64_t controllers;     /* bit n: a map has named node n of the cluster */
};

enum target_phase {
    TARGET_NOWHERE,   /* no node has its volume */
    TARGET_OPENING,   /* a controller is chosen and has not answered yet */
    TARGET_SERVING,   /* published */
    TARGET_RELEASING, /* its controller was asked to let it go */
    TARGET_LOST,      /* its controller failed and may still run */
};

struct cluster_target {
    const struct volume_config *config;
    uint64_t size;   /* bytes */
    uint64_t groups; /* the portal groups it is exported in */
    int last_export; /* index, the first of a chain; -1: none */
    enum target_phase phase;
    int controller;             /* 0: none. The one process that may have the volume open. */
    int64_t assigned;           /* the generation of the map that said so */
    int64_t release_after;      /* the generation to be known before it is let go; 0: not to be */
    int home, previous, wanted; /* nodes; 0: none */
    int former;                 /* node it was on before `previous`, or leaves now; 0: none */
    double moved_at;            /* unix time: since when it is elsewhere; 0: not yet */
    uint64_t refused; /* bit n: node n of the cluster could not open it, this time round */
    uint64_t told;    /* bit n: and that was said */
    char *problem;    /* owned: why it could not; NULL: it was opened */
    struct target_view views[2];               /* of the last map, one a reader of it (map.h) */
    double stopped_at, may_place_at, retry_at; /* loop time, seconds; 0: not set */
};

enum floating_phase { FLOATING_NOWHERE, FLOATING_STARTING, FLOATING_UP, FLOATING_STOPPING };

struct cluster_floating_ip {
    const struct floating_ip_config *config;
    int group; /* index */
    enum floating_phase phase;
    int node;         /* 0: none */
    bool is_withheld; /* a fault: no node may have it */
    int home, previous, wanted;
    double stopped_at, may_place_at;
};

struct cluster_group {
    const struct portal_group_config *config;
    int alua_state; /* indexes alua_state_names */
};

struct cluster_pool {
    const struct pool_config *config;
    uint64_t size; /* bytes */
};

struct cluster_export {
    int target, group; /* indices */
    int next;          /* index: of the same target; -1: no more */
    char *initiator;   /* owned; "*": any */
};

struct cluster {
    const struct cluster_config *config;
    int64_t generation;
    struct cluster_group *groups;
    struct cluster_pool *pools;
    struct cluster_export *exports; /* exports.h */
    size_t export_count;
    int64_t exports_changed; /* the first generation of the map with the present ones */
    struct cluster_node *nodes;
    struct cluster_target *targets;
    struct name_index volumes, target_names; /* numbers of targets */
    struct cluster_floating_ip *floating_ips;
    size_t node_count, target_count, floating_ip_count;
};

void cluster_init(struct cluster *cluster, const struct cluster_config *config);
void cluster_free(struct cluster *cluster);

/* NULL: there is none. */
struct cluster_node *cluster_find_node(struct cluster *cluster, int number);
struct cluster_target *cluster_find_target(struct cluster *cluster, const char *volume_or_name);
/* Its index; -1: there is no such volume. */
int cluster_find_volume(const struct cluster *cluster, const char *name);
/* 0: none. The only way to change it. */
void cluster_set_controller(struct cluster *cluster, struct cluster_target *target, int node);
/* By address, or address:port. */
struct cluster_pool *cluster_find_pool(struct cluster *cluster, const char *name);
struct cluster_floating_ip *cluster_find_floating_ip(struct cluster *cluster, const char *text);

/* placement.h over the present state, without those that refused the target; what somebody wants
 * goes first, if it can be. 0: none. */
int cluster_place_target(struct cluster *cluster, const struct cluster_target *target);
int cluster_place_floating_ip(struct cluster *cluster, const struct cluster_floating_ip *floating);

/* May a planned move go there: up, with portals where they are needed. */
bool cluster_can_take_target(const struct cluster_node *node, const struct cluster_target *target);
bool cluster_can_take_floating_ip(const struct cluster_node *node,
                                  const struct cluster_floating_ip *floating);

/* Whom the world is told: 0 while nobody serves it. */
int cluster_published_controller(const struct cluster_target *target);
int cluster_published_holder(const struct cluster_floating_ip *floating);
