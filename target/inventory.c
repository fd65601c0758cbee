#include "target/inventory.h"

#include <stdlib.h>
#include <string.h>

static bool has_initiator(const struct map_audience *audience, const char *initiator)
{
    for (size_t i = 0; i < audience->initiator_count; i++)
        if (!strcasecmp(audience->initiators[i], initiator))
            return true;
    return false;
}

static bool has_export(const struct map *map, const struct map_export *wanted,
                       const char *initiator)
{
    const struct map_target *target = map_find_target(map, wanted->target->name);

    for (const struct map_export *export = target ? target->exports : NULL; export;
         export = export->next)
        if (!strcmp(export->to->group->name, wanted->to->group->name) &&
            has_initiator(export->to, initiator))
            return true;
    return false;
}

static bool is_covered(const struct map_export *export, const struct map *other)
{
    for (size_t i = 0; i < export->to->initiator_count; i++)
        if (!has_export(other, export, export->to->initiators[i]))
            return false;
    return true;
}

/* Adds the portal groups in which `map` exports something that `other` does not. */
static void add_changed(struct name_index *groups, const struct map *map, const struct map *other)
{
    for (size_t i = 0; i < map->export_count; i++)
        if (!is_covered(&map->exports[i], other))
            name_index_add(groups, map->exports[i].to->group->name, 0);
}

struct inventory_change inventory_compare(const struct map *before, const struct map *now)
{
    struct inventory_change change = {0};

    add_changed(&change.groups, before, now);
    add_changed(&change.groups, now, before);
    return change;
}

bool inventory_has_changed(const struct inventory_change *change, const struct map_target *target)
{
    for (const struct map_export *export = target->exports; export; export = export->next)
        if (name_index_find(&change->groups, export->to->group->name) >= 0)
            return true;
    return false;
}

void inventory_change_free(struct inventory_change *change)
{
    name_index_free(&change->groups);
}
