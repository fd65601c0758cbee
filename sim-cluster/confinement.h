/* As whom the children run: the user of the configuration; else who owns the volumes, or `nobody`
 * where that is root and the directory ours, as far as our own privileges go. The children do the
 * rest themselves (target/base/sandbox.h). */
#pragma once

#include "sim-cluster/cluster_config.h"

#include <jansson.h>
#include <sys/types.h>

struct confinement {
    bool is_on, becomes_user;
    uid_t uid;
    gid_t gid;
};

/* Decides only. `volumes`: their directory, which may not be there yet. NULL, or an owned sentence.
 */
char *confinement_decide(struct confinement *confinement, const struct cluster_config *config,
                         const char *volumes);
/* The names of what it takes to start processes as another user and is missing; owned, or NULL. */
char *confinement_missing(void);

/* Decides, and gives the files of the volumes, which are all there, to that user. `directory`: the
 * state's. NULL, or an owned sentence. */
char *confinement_prepare(struct confinement *confinement, const struct cluster_config *config,
                          const char *directory);

/* The "sandbox" of a child's start. */
json_t *confinement_build(const struct confinement *confinement);
