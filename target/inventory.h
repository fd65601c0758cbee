/* What hosts would find if they looked again: compared between two maps. */
#pragma once

#include "target/iscsi/map.h"

/* Whether a host that has the target may find other targets now: in one of the target's portal
 * groups something is exported that was not, or no longer. Changes of who serves it do not count.
 */
bool inventory_has_changed(const struct map *before, const struct map *now, const char *target);
