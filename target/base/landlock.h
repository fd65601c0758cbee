/* Files: all below one directory, or none. Landlock, of which the C library knows nothing yet. */
#pragma once

/* `directory`: what lies below it may be read, written, made and removed; NULL: nothing may.
 * Descriptors that are open stay usable. The process must do without new privileges already. 0 or
 * -errno; *version is the kernel's, 0 where it has no Landlock and nothing is restricted. */
int landlock_restrict(const char *directory, int *version);
