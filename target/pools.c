#include "target/pools.h"

#include "target/base/memory.h"
#include "target/base/segment.h"

#include <stdlib.h>
#include <string.h>

struct named_pool {
    char *name; /* owned, like the next */
    struct pool *pool;
    struct list link;
};

void pools_init(struct pools *pools)
{
    list_init(&pools->list);
}

struct pool *pools_find(const struct pools *pools, const char *name)
{
    LIST_FOR_EACH (link, &pools->list) {
        struct named_pool *named = container_of(link, struct named_pool, link);

        if (name && !strcmp(named->name, name))
            return named->pool;
    }
    return NULL;
}

static struct pool *get(struct pools *pools, const char *name)
{
    struct pool *pool = pools_find(pools, name);
    struct named_pool *named;

    if (pool)
        return pool;
    named = memory_new(sizeof(*named));
    named->name = memory_copy_text(name);
    named->pool = pool_new();
    list_append(&pools->list, &named->link);
    return named->pool;
}

/* One for each file of the volume; all that it promises is in the first. */
static size_t add_members(struct pool_member *members, const struct map_target *target,
                          const char *directory)
{
    char *path = memory_format("%s/%s.img", directory, target->volume);
    unsigned count = segment_count(target->size);

    for (unsigned i = 0; i < count; i++)
        members[i] = (struct pool_member){segment_path(path, i),
                                          target->is_thick && i == 0 ? target->size : 0};
    free(path);
    return count;
}

static void set(struct pool *pool, const struct map_pool *from, const struct map *map,
                const char *directory)
{
    struct pool_member *members = NULL;
    size_t count = 0;

    for (size_t i = 0; i < map->target_count; i++) {
        const struct map_target *target = &map->targets[i];

        if (!target->pool || strcmp(target->pool, from->name) != 0)
            continue;
        members = memory_resize(members, (count + segment_count(target->size)) * sizeof(*members));
        count += add_members(members + count, target, directory);
    }
    pool_set(pool, from->size, members, count);
    free(members);
}

void pools_follow(struct pools *pools, const struct map *map, const char *directory)
{
    for (size_t i = 0; i < map->pool_count; i++)
        set(get(pools, map->pools[i].name), &map->pools[i], map, directory);
}
