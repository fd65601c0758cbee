/* The cluster map as a process of a node sees it: portal groups, their portals and floating IPs,
 * targets, initiators and exports, all of one generation. Comes from the supervisor as JSON, whole
 * or as the change of one that is in force. Knows who may see what; where a login is sent is
 * decided by those who serve it. */
#pragma once

#include "target/base/address.h"
#include "target/base/name_index.h"
#include "target/iscsi/chap.h"

#include <jansson.h>

enum { MAP_NO_NODE = 0 };

struct map_portal {
    int node;
    struct address address;
};

struct map_floating_ip {
    struct subnet subnet; /* its address with port, and its prefix */
    int node;             /* MAP_NO_NODE: up nowhere */
};

/* How a portal group's access to logical units is managed, and its state. */
enum map_alua { MAP_ALUA_OFF, MAP_ALUA_IMPLICIT, MAP_ALUA_EXPLICIT };
enum map_alua_state {
    MAP_OPTIMIZED,
    MAP_NON_OPTIMIZED,
    MAP_STANDBY,
    MAP_UNAVAILABLE,
    MAP_TRANSITIONING,
};

struct map_portal_group {
    char *name;
    uint16_t tpgt;
    enum map_alua alua;
    enum map_alua_state alua_state;
    bool redirects_before_auth, redirects_for_good, discovery_needs_chap;
    struct map_floating_ip *floating_ips;
    size_t floating_ip_count;
    struct map_portal *portals;
    size_t portal_count;
};

struct map_target {
    char *name, *volume;
    uint64_t size; /* bytes */
    uint32_t block_size, physical_block_size;
    int controller; /* MAP_NO_NODE: none now */
    int former;     /* the one before, or that it leaves now; MAP_NO_NODE: none */
    double moved;   /* unix time: since when it is elsewhere; 0: not yet */
    bool is_read_only, is_thick, is_removable;
    char *pool;                       /* NULL: none */
    const struct map_export *exports; /* borrowed: the first of a chain; NULL: it has none */
};

/* Volumes that share the space of `size` bytes. */
struct map_pool {
    char *name;
    uint64_t size;
};

struct map_initiator {
    char *name; /* "*": any that is not named itself */
    struct subnet *nets;
    size_t net_count;
    char *user, *secret, *mutual_user, *mutual_secret; /* NULL: no CHAP */
};

/* Places of targets in the map. */
struct map_run {
    size_t first, count;
};

/* Whom targets are exported to. */
struct map_audience {
    const struct map_portal_group *group; /* borrowed */
    char **initiators;                    /* names, or "*" */
    struct map_run *runs;                 /* the targets */
    size_t initiator_count, run_count;
};

struct map_export {
    const struct map_target *target; /* borrowed, as the next two */
    const struct map_audience *to;
    const struct map_export *next; /* of the same target; NULL: no more */
};

struct map {
    uint64_t generation;
    char *base_name; /* NULL: it was not said */
    struct map_portal_group *groups;
    struct map_target *targets;
    struct map_pool *pools;
    struct map_initiator *initiators;
    struct map_audience *audiences;
    struct map_export *exports;
    struct name_index target_names, initiator_names;
    size_t group_count, target_count, pool_count, initiator_count, audience_count, export_count;
};

/* NULL: *error says in one sentence what is wrong; borrowed. */
struct map *map_decode(json_t *json, const char **error);
void map_free(struct map *map);
/* The map in force after a `map` request: `map` itself when the request says what changes in it
 * (without what is configured: names, exports, initiators), else a new one. `map` may be NULL and
 * stays the caller's. NULL: *error says in one sentence why the old one stays. */
struct map *map_follow(struct map *map, json_t *json, const char **error);
/* What is said of asymmetric access; 0, or -1: it is malformed. */
int map_decode_alua(const json_t *json, struct map_portal_group *group);

/* Names of targets and initiators are compared without regard to case (RFC 7143 4.2.7.1). */
const struct map_portal_group *map_find_group(const struct map *map, const char *name);
const struct map_target *map_find_target(const struct map *map, const char *name);

/* The entry that speaks for an initiator: the one of its name, else "*". NULL: nobody knows it. */
const struct map_initiator *map_find_initiator(const struct map *map, const char *name);
bool map_initiator_may_come_from(const struct map_initiator *initiator, const struct address *peer);

/* Whether the target is exported in the portal group to anybody. */
bool map_is_exported_at_all(const struct map_portal_group *group, const struct map_target *target);
/* Whether the target is exported to the initiator in the portal group. */
bool map_is_exported(const struct map_portal_group *group, const struct map_target *target,
                     const char *initiator);

struct chap_account map_account(const struct map_initiator *initiator);
struct chap_account map_mutual_account(const struct map_initiator *initiator);
