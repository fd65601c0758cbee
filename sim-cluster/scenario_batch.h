/* Several scenarios side by side: each a process of its own, with a cluster and addresses of its
 * own. A line for each as it ends, and a total. With --twins each has a twin: the same without its
 * steps, which must fail, or the expectations would see nothing. */
#pragma once

#include "sim-cluster/commands.h"

/* Takes the files and directories of `options->arguments`; a directory stands for its *.ini files.
 * All are read before any is run. The exit code: EXIT_DONE if all have passed. */
int scenario_batch_run(const struct options *options);

/* Is it about several, rather than one file? */
bool scenario_batch_is_meant(const struct options *options);
