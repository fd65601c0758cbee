/* The files of the volumes: made once, with an identity that then never changes. */
#pragma once

#include "sim-cluster/cluster_config.h"

/* Makes NAME.img and NAME.json of every volume that has none; lets a volume grow. `directory`: the
 * state's. NULL, or an owned sentence. */
char *volumes_prepare(const struct cluster_config *config, const char *directory);
