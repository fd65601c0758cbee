/* What hosts would find if they looked again: compared between two maps. */
#pragma once

#include "target/iscsi/map.h"

/* The portal groups in which something is exported that was not, or no longer. Changes of who
 * serves it do not count. */
struct inventory_change {
    struct name_index groups;
};

struct inventory_change inventory_compare(const struct map *before, const struct map *now);
/* Whether a host that has the target, of the later map, may find other targets now. */
bool inventory_has_changed(const struct inventory_change *change, const struct map_target *target);
void inventory_change_free(struct inventory_change *change);
