/* What a map says: who is there, and who may see what. */
#include "target/iscsi/map.h"

#include <string.h>

const struct map_portal_group *map_find_group(const struct map *map, const char *name)
{
    for (size_t i = 0; i < map->group_count; i++)
        if (!strcmp(map->groups[i].name, name))
            return &map->groups[i];
    return NULL;
}

const struct map_target *map_find_target(const struct map *map, const char *name)
{
    ptrdiff_t index = name_index_find(&map->target_names, name);

    return index < 0 ? NULL : &map->targets[index];
}

const struct map_initiator *map_find_initiator(const struct map *map, const char *name)
{
    ptrdiff_t index = name_index_find(&map->initiator_names, name);

    if (index < 0)
        index = name_index_find(&map->initiator_names, "*");
    return index < 0 ? NULL : &map->initiators[index];
}

bool map_initiator_may_come_from(const struct map_initiator *initiator, const struct address *peer)
{
    for (size_t i = 0; i < initiator->net_count; i++)
        if (subnet_contains(&initiator->nets[i], peer))
            return true;
    return !initiator->net_count;
}

static bool names_initiator(const struct map_audience *audience, const char *initiator)
{
    for (size_t i = 0; i < audience->initiator_count; i++)
        if (!strcmp(audience->initiators[i], "*") ||
            !strcasecmp(audience->initiators[i], initiator))
            return true;
    return false;
}

bool map_is_exported_at_all(const struct map_portal_group *group, const struct map_target *target)
{
    for (const struct map_export *export = target->exports; export; export = export->next)
        if (export->to->group == group)
            return true;
    return false;
}

bool map_is_exported(const struct map_portal_group *group, const struct map_target *target,
                     const char *initiator)
{
    for (const struct map_export *export = target->exports; export; export = export->next)
        if (export->to->group == group && names_initiator(export->to, initiator))
            return true;
    return false;
}

struct chap_account map_account(const struct map_initiator *initiator)
{
    return (struct chap_account){initiator->user, initiator->secret};
}

struct chap_account map_mutual_account(const struct map_initiator *initiator)
{
    return (struct chap_account){initiator->mutual_user, initiator->mutual_secret};
}
