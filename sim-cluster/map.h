/* The cluster map as the children are told it. */
#pragma once

#include "sim-cluster/cluster.h"

#include <jansson.h>

/* Whom a map is for: a target is told which volumes to open, before anyone may be sent to it; a
 * floating IP's process is told who serves, once it does. */
enum map_reader { MAP_FOR_TARGET, MAP_FOR_PORTALGROUP };

/* An owned `map` request, without an id. */
json_t *map_build(const struct cluster *cluster, enum map_reader reader);

/* What differs from the map of generation `since`, for one who has that; all of it when it must be:
 * `since` 0, or other exports. */
json_t *map_build_change(const struct cluster *cluster, enum map_reader reader, int64_t since);
/* A new generation begins: notes which targets differ from the one before. */
void map_stamp(struct cluster *cluster);

/* Owned: its name and size. */
json_t *map_pool(const struct cluster_pool *pool);

/* A number, or null for none. */
json_t *map_node(int number);
