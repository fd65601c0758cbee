#include "target/iscsi/access.h"

#include "target/iscsi/text.h"

#include <stdio.h>
#include <string.h>

const struct map_portal_group *access_group_of_portal(const struct map *map, int node,
                                                      const struct address *local)
{
    for (size_t i = 0; map && i < map->group_count; i++) {
        const struct map_portal_group *group = &map->groups[i];

        for (size_t j = 0; j < group->portal_count; j++)
            if (group->portals[j].node == node &&
                address_is_same(&group->portals[j].address, local))
                return group;
    }
    return NULL;
}

enum login_status access_admit(const struct map *map, const struct map_portal_group *group,
                               const struct login_names *names, struct login_grant *grant)
{
    const struct map_initiator *initiator = map_find_initiator(map, names->initiator);
    const struct map_target *target = names->target ? map_find_target(map, names->target) : NULL;

    if (names->target && (!target || !map_is_exported_at_all(group, target)))
        return LOGIN_NOT_FOUND;
    if (!initiator || !map_initiator_may_come_from(initiator, &names->peer) ||
        (target && !map_is_exported(group, target, names->initiator)))
        return LOGIN_FORBIDDEN;
    *grant = (struct login_grant){
        .tpgt = group->tpgt,
        .account = map_account(initiator),
        .mutual = map_mutual_account(initiator),
    };
    grant->needs_chap = grant->account.user && (target || group->discovery_needs_chap);
    return LOGIN_ACCEPTED;
}

static void list_target(const struct map_portal_group *group, const struct map_target *target,
                        struct buffer *answer)
{
    char address[ADDRESS_TEXT_SIZE], value[ADDRESS_TEXT_SIZE + 8];

    text_add(answer, "TargetName", target->name);
    for (size_t i = 0; i < group->floating_ip_count; i++) {
        snprintf(value, sizeof(value), "%s,%u",
                 address_format(&group->floating_ips[i].subnet.address, address), group->tpgt);
        text_add(answer, "TargetAddress", value);
    }
}

void access_list(const struct map *map, const struct map_portal_group *group, const char *initiator,
                 const char *name, struct buffer *answer)
{
    for (size_t i = 0; i < map->target_count; i++) {
        const struct map_target *target = &map->targets[i];

        if ((!name || !strcasecmp(name, target->name)) && map_is_exported(group, target, initiator))
            list_target(group, target, answer);
    }
}

static void list_node_portals(const struct map_portal_group *group, const struct map_target *target,
                              struct buffer *answer)
{
    char address[ADDRESS_TEXT_SIZE], value[ADDRESS_TEXT_SIZE + 8];

    text_add(answer, "TargetName", target->name);
    for (size_t i = 0; i < group->portal_count; i++) {
        snprintf(value, sizeof(value), "%s,%u", address_format(&group->portals[i].address, address),
                 group->tpgt);
        text_add(answer, "TargetAddress", value);
    }
}

void access_list_wrongly(const struct map *map, const struct map_portal_group *group,
                         bool with_node_portals, struct buffer *answer)
{
    for (size_t i = 0; i < map->target_count; i++)
        (with_node_portals ? list_node_portals : list_target)(group, &map->targets[i], answer);
}

static double seconds_of(json_t *json, const char *key, double otherwise)
{
    json_t *value = json_object_get(json, key);

    return json_is_number(value) ? json_number_value(value) : otherwise;
}

void access_read_settings(struct host_settings *settings, json_t *json)
{
    *settings = (struct host_settings){
        .login_timeout = seconds_of(json, "login_timeout_s", 15),
        .nop_interval = seconds_of(json, "nop_interval_s", 30),
        .nop_timeout = seconds_of(json, "nop_timeout_s", 10),
        .queue_depth = (uint32_t)seconds_of(json, "queue_depth", 128),
        .max_connections = (uint32_t)seconds_of(json, "max_connections", 8192),
        .has_zero_copy = !json_is_false(json_object_get(json, "zero_copy")),
        .spin = seconds_of(json, "spin_us", 0) / 1e6,
        .io_threads = (uint32_t)seconds_of(json, "io_threads", 1),
    };
    if (settings->io_threads < 1 || settings->io_threads > HOST_LOOPS_MAX)
        settings->io_threads = 1;
}
