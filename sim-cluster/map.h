/* The cluster map as the children are told it. */
#pragma once

#include "sim-cluster/cluster.h"
#include "target/base/buffer.h"

#include <jansson.h>

/* Whom a map is for: a target is told which volumes to open, before anyone may be sent to it; a
 * floating IP's process is told who serves, once it does. */
enum map_reader { MAP_FOR_TARGET, MAP_FOR_PORTALGROUP };

/* Appends a `map` request, without an id: a JSON object. */
void map_write(struct buffer *out, const struct cluster *cluster, enum map_reader reader);

/* The generation of a map if there can be a change of it, without other exports; 0: there can not.
 */
int64_t map_base(const struct cluster *cluster, int64_t generation);

/* A process, and the generation of the map that it has; 0: none. */
struct map_recipient {
    enum map_reader reader;
    const struct cluster_node *node; /* borrowed: whose it is */
    int64_t since;
};

/* Appends what differs for the process from the map that it has; all of it without such a base. */
void map_write_change(struct buffer *out, const struct cluster *cluster,
                      const struct map_recipient *to);
/* A new generation begins: notes which targets differ from the one before. */
void map_stamp(struct cluster *cluster);

/* Owned: its name and size. */
json_t *map_pool(const struct cluster_pool *pool);

/* A number, or null for none. */
json_t *map_node(int number);
