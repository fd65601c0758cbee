/* The files of the volumes: made once, with an identity that then never changes. */
#pragma once

#include "sim-cluster/cluster_config.h"

/* Makes NAME.img and NAME.json of every volume that has none; lets a volume grow. Sizes that were
 * changed at run time are put into the configuration. `directory`: the state's. NULL, or an owned
 * sentence. */
char *volumes_prepare(struct cluster_config *config, const char *directory);

/* Gives a volume's file another size, in bytes; who has it open goes on. 0 or -errno. */
int volumes_resize(const struct volume_config *volume, const char *directory, uint64_t size);
