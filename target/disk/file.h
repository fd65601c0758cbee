/* A disk in a sparse file. Reads what the page cache holds and writes small pieces on the loop, the
 * rest on workers. The host's page cache is the volatile write cache. */
#pragma once

#include "target/disk/disk.h"

/* Opens an existing file of at least `size` bytes. NULL: *error is -errno (-EFBIG: the file is
 * shorter). */
struct disk *file_disk_open(const struct disk_setting *setting, const char *path, uint64_t size,
                            bool is_read_only, int *error);
