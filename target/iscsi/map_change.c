/* A map that is brought up to date: what changes without being configured anew. */
#include "target/iscsi/map.h"

#include <string.h>

static const char *text_of(const json_t *json, const char *key)
{
    return json_string_value(json_object_get(json, key));
}

static int node_of(const json_t *json, const char *key)
{
    return (int)json_integer_value(json_object_get(json, key));
}

static struct map_portal_group *find_group(struct map *map, const char *name)
{
    for (size_t i = 0; name && i < map->group_count; i++)
        if (!strcmp(map->groups[i].name, name))
            return &map->groups[i];
    return NULL;
}

static bool change_group(struct map *map, const json_t *json)
{
    struct map_portal_group *group = find_group(map, text_of(json, "name"));
    json_t *floating_ips = json_object_get(json, "floating_ips");

    if (!group || json_array_size(floating_ips) != group->floating_ip_count)
        return false;
    for (size_t i = 0; i < group->floating_ip_count; i++)
        group->floating_ips[i].node = node_of(json_array_get(floating_ips, i), "node");
    return !map_decode_alua(json, group);
}

static bool change_pool(struct map *map, const json_t *json)
{
    const char *name = text_of(json, "name");

    for (size_t i = 0; name && i < map->pool_count; i++) {
        if (strcmp(map->pools[i].name, name))
            continue;
        map->pools[i].size = (uint64_t)json_integer_value(json_object_get(json, "size"));
        return true;
    }
    return false;
}

static bool change_target(struct map *map, const json_t *json)
{
    const char *name = text_of(json, "name");
    ptrdiff_t index = name ? name_index_find(&map->target_names, name) : -1;
    struct map_target *target = index < 0 ? NULL : &map->targets[index];
    json_int_t size = json_integer_value(json_object_get(json, "size"));

    if (!target || size <= 0)
        return false;
    target->size = (uint64_t)size;
    target->controller = node_of(json, "controller");
    target->former = node_of(json, "former");
    target->moved = json_number_value(json_object_get(json, "moved"));
    return true;
}

static bool change_each(struct map *map, json_t *array,
                        bool (*change)(struct map *map, const json_t *json))
{
    bool is_good = true;
    json_t *element;
    size_t i;

    json_array_foreach (array, i, element)
        is_good &= change(map, element);
    return is_good;
}

static struct map *change_map(struct map *map, json_t *json, const char **error)
{
    json_int_t base = json_integer_value(json_object_get(json, "base"));

    if (!map || (uint64_t)base != map->generation) {
        *error = "the map that this one changes is not in force";
        return NULL;
    }
    if (!change_each(map, json_object_get(json, "portal_groups"), change_group) ||
        !change_each(map, json_object_get(json, "pools"), change_pool) ||
        !change_each(map, json_object_get(json, "targets"), change_target)) {
        *error = "the change of the map names what it does not have";
        return NULL;
    }
    map->generation = (uint64_t)json_integer_value(json_object_get(json, "generation"));
    return map;
}

struct map *map_follow(struct map *map, json_t *json, const char **error)
{
    struct map *next;

    if (json_object_get(json, "base"))
        return change_map(map, json, error);
    next = map_decode(json, error);
    if (!next || !map || next->generation > map->generation)
        return next;
    *error = "the map is older than the one in force";
    map_free(next);
    return NULL;
}
