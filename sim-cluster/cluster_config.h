/* What the cluster is made of, as the configuration file says: read once, then constant. */
#pragma once

#include "target/base/address.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    CLUSTER_NODES_MAX = 64,
    CLUSTER_PORTAL_GROUPS_MAX = 64,
    CLUSTER_NODE_NUMBER_MAX = 4095,
    CLUSTER_ISCSI_NAME_MAX = 223, /* bytes, RFC 7143 4.2.7 */
};

enum redirect_when { REDIRECT_AFTER_AUTH, REDIRECT_BEFORE_AUTH };
enum redirect_status { REDIRECT_TEMPORARY, REDIRECT_PERMANENT };
enum alua { ALUA_OFF, ALUA_IMPLICIT, ALUA_EXPLICIT };
enum network_kind { NETWORK_LOOPBACK, NETWORK_NETNS, NETWORK_HOST };
enum uplink { UPLINK_NONE, UPLINK_BRIDGE, UPLINK_MACVLAN, UPLINK_INTERFACE };
enum discovery_chap { DISCOVERY_CHAP_OFFERED, DISCOVERY_CHAP_REQUIRED };

extern const char *const redirect_when_names[],
    *const redirect_status_names[], *const discovery_chap_names[], *const alua_names[],
                                                                       *const alua_state_names[];

struct network_config {
    char *name;    /* owned, as all texts here */
    int line, mtu; /* 0: the interface's own */
    int uplink;
    char *device;             /* the bridge or interface; NULL: none */
    struct subnet *addresses; /* that this machine has there */
    struct subnet *subnets;   /* what belongs to it */
    size_t address_count, subnet_count;
};

struct floating_ip_config {
    struct subnet subnet; /* with the port the listener has */
    int line;
};

struct portal_group_config {
    char *name;
    int line;
    int tpgt; /* 0: by order */
    int redirect, redirect_status, discovery_chap, alua;
    struct floating_ip_config *floating_ips;
    size_t floating_ip_count;
};

struct portal_config {
    struct address address;
    char *group;
    int line;
};

struct node_config {
    int number, line;
    int io_threads; /* 0: as many as the cluster says */
    struct portal_config *portals;
    size_t portal_count;
};

struct volume_config {
    char *name;
    char *target; /* IQN */
    int line;
    uint64_t size; /* bytes */
    int block_size;
    bool is_read_only, is_thin, is_removable;
    char *pool; /* NULL: none */
};

struct pool_config {
    char *name;
    int line;
    uint64_t size; /* bytes */
};

struct chap_config {
    char *user, *secret; /* NULL: not configured */
};

struct initiator_config {
    char *name; /* "*": any */
    int line;
    struct subnet *nets;
    size_t net_count;
    struct chap_config chap, mutual_chap;
};

struct name_config {
    char *name;
    int line;
};

struct export_config {
    char *volume;
    int line;
    struct name_config *portal_groups, *initiators;
    size_t portal_group_count, initiator_count;
};

struct fault_config {
    char *rule; /* as text, with its id */
    int line;
};

struct cluster_config {
    char *path, *name, *base_name;
    char *user; /* of the children; NULL: not configured */
    bool has_sandbox;
    int line, network; /* enum network_kind */
    char *interface;   /* of network = host; NULL: not given */
    int node_timeout_ms, detect_delay_ms, target_move_delay_ms, floating_move_delay_ms;
    int drain_timeout_ms, failback_s;
    int login_timeout_s, nop_interval_s, nop_timeout_s, queue_depth;
    int io_threads, has_zero_copy, spin_us;
    struct network_config *networks;
    struct portal_group_config *portal_groups;
    struct node_config *nodes;
    struct volume_config *volumes;
    struct pool_config *pools;
    struct initiator_config *initiators;
    struct export_config *exports;
    struct fault_config *faults;
    size_t portal_group_count, node_count, volume_count, pool_count, initiator_count, export_count,
        fault_count, network_count;
};

/* Fills `config` from the file. NULL, or an owned sentence: "file:line: what is wrong". In both
 * cases cluster_config_free releases it. */
char *cluster_config_read(struct cluster_config *config, const char *path);
void cluster_config_free(struct cluster_config *config);

/* -1: there is none of that name. */
int cluster_config_find_group(const struct cluster_config *config, const char *name);
int cluster_config_find_pool(const struct cluster_config *config, const char *name);

/* "base_name:volume" in the characters an IQN may have: lower case, '_' as '-' (RFC 3722). Owned.
 */
char *cluster_config_target_name(const char *base_name, const char *volume);
