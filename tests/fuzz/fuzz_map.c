/* The cluster map, and what is asked of it. */
#include "target/iscsi/access.h"

#include <assert.h>
#include <string.h>

static void ask(const struct map *map)
{
    const struct login_names names = {.initiator = "iqn.i:host", .target = "iqn.t:data1"};

    for (size_t i = 0; i < map->group_count; i++) {
        struct login_grant grant;
        struct buffer answer = {0};

        access_admit(map, &map->groups[i], &names, &grant);
        access_list(map, &map->groups[i], names.initiator, NULL, &answer);
        buffer_free(&answer);
    }
    access_group_of_portal(map, 1, &names.local);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    json_t *json = json_loadb((const char *)bytes, length, 0, NULL);
    const char *error = NULL;
    struct map *map;

    if (!json)
        return 0;
    map = map_decode(json, &error);
    assert(!map == !!error);
    if (map)
        ask(map);
    map_free(map);
    json_decref(json);
    return 0;
}
