/* The pools of the cluster that volumes of this node take space from. */
#pragma once

#include "target/base/list.h"
#include "target/disk/pool.h"
#include "target/iscsi/map.h"

struct pools {
    struct list list; /* of struct named_pool */
};

void pools_init(struct pools *pools);
/* Sizes and members are as the map says. A pool that the map does not know any more stays as it
 * was: volumes may still be of it. */
void pools_follow(struct pools *pools, const struct map *map, const char *directory);
/* NULL: no pool, or one that the map never had. */
struct pool *pools_find(const struct pools *pools, const char *name);
