/* Who may log in and what is listed for whom, by the cluster map. Pure: the same at a floating IP
 * and at a portal. */
#pragma once

#include "target/iscsi/host.h"
#include "target/iscsi/map.h"

/* The portal group that a portal of the node, or a floating IP, belongs to. NULL: none. */
const struct map_portal_group *access_group_of_portal(const struct map *map, int node,
                                                      const struct address *local);

/* LOGIN_ACCEPTED and the grant, or the refusal: LOGIN_NOT_FOUND for a target that is not exported
 * in the group, LOGIN_FORBIDDEN for an initiator that is unknown, comes from elsewhere, or has no
 * export of the target. */
enum login_status access_admit(const struct map *map, const struct map_portal_group *group,
                               const struct login_names *names, struct login_grant *grant);

/* SendTargets (RFC 7143 appendix C): targets exported to the initiator in the group, each at the
 * group's floating IPs; `name`: only that one, NULL: all. */
void access_list(const struct map *map, const struct map_portal_group *group, const char *initiator,
                 const char *name, struct buffer *answer);
/* What must not be listed: every target, exported or not, with its floating IPs or with the portals
 * of nodes. */
void access_list_wrongly(const struct map *map, const struct map_portal_group *group,
                         bool with_node_portals, struct buffer *answer);

/* Settings of a `start` request, with defaults for what it does not say. */
void access_read_settings(struct host_settings *settings, json_t *json);
