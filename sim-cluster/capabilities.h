/* What this process may do: the capabilities in force, by number (linux/capability.h). */
#pragma once

#include <stdbool.h>
#include <stddef.h>

bool capabilities_have(int capability);

/* The names of those that are not in force: "CAP_NET_ADMIN and CAP_SYS_ADMIN", owned. NULL: none is
 * missing. */
char *capabilities_missing(const int *wanted, size_t count);
