#include "target/inventory.h"

#include <string.h>

static bool has_initiator(const struct map_export *export, const char *initiator)
{
    for (size_t i = 0; i < export->initiator_count; i++)
        if (!strcasecmp(export->initiators[i], initiator))
            return true;
    return false;
}

static bool has_export(const struct map *map, const struct map_export *wanted,
                       const char *initiator)
{
    for (size_t i = 0; i < map->export_count; i++) {
        const struct map_export *export = &map->exports[i];

        if (!strcmp(export->group->name, wanted->group->name) &&
            !strcasecmp(export->target->name, wanted->target->name) &&
            has_initiator(export, initiator))
            return true;
    }
    return false;
}

/* Is everything that `map` exports in the group also exported by `other`? */
static bool is_covered(const struct map *map, const char *group, const struct map *other)
{
    for (size_t i = 0; i < map->export_count; i++) {
        const struct map_export *export = &map->exports[i];

        for (size_t j = 0; j < export->initiator_count && !strcmp(export->group->name, group); j++)
            if (!has_export(other, export, export->initiators[j]))
                return false;
    }
    return true;
}

bool inventory_has_changed(const struct map *before, const struct map *now, const char *target)
{
    for (size_t i = 0; i < now->export_count; i++) {
        const char *group = now->exports[i].group->name;

        if (!strcasecmp(now->exports[i].target->name, target) &&
            (!is_covered(before, group, now) || !is_covered(now, group, before)))
            return true;
    }
    return false;
}
