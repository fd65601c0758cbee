/* What the kernel lets this process do. */
#pragma once

enum { PRIVILEGE_NAMESPACES = 1, PRIVILEGE_NETWORK = 2 };

/* NULL, or an owned sentence: which capabilities a network mode needs and which are missing. */
char *privileges_check(const char *mode, int needed);
