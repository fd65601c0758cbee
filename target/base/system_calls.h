/* System calls: those that a child makes, and no others. */
#pragma once

#include <stdbool.h>

/* `has_files`: may open files and start threads for them. From now on a call that is on no list
 * fails with ENOSYS, as on a kernel that has not got it yet, so that a newer C library takes its
 * other way. One that only an intruder makes (another program, another process, tracing, io_uring)
 * ends the process by SIGSYS. Before there are threads. 0 or -errno; *is_on is false where the
 * kernel has no seccomp. */
int system_calls_restrict(bool has_files, bool *is_on);
