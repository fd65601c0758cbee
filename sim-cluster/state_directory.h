/* The directory in which a cluster lives: control socket, lock, events, logs and volumes. */
#pragma once

#include "sim-cluster/cluster_config.h"

/* The lock is held by the supervisor and by every child it starts, so that a new cluster begins
 * only when nothing of the last one runs any more, however that ended. */
struct state_directory {
    char *path; /* owned, absolute */
    int lock;   /* descriptor, or -1 */
};

/* --state, else $SIM_CLUSTER_STATE, else the user's. Owned; NULL: there is no home to put it in. */
char *state_directory_default(const char *option);

/* Makes what is missing and takes the lock. NULL, or an owned sentence. */
char *state_directory_open(struct state_directory *state, const char *path);
void state_directory_close(struct state_directory *state);

/* An owned path of a file in it: state_directory_file(path, "control.sock"). */
char *state_directory_file(const char *path, const char *name);
