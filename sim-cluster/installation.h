/* Where our own files are, told from where this executable is: in a checkout (build/) or installed
 * (PREFIX/bin). */
#pragma once

/* The directory of the executable: `target` and `portalgroup` are in it. Owned. */
char *installation_programs(void);
/* The default configuration. Owned. */
char *installation_config(void);
