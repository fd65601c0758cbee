/* A disk in the files of target/base/segment.h. */
#pragma once

#include "target/disk/disk.h"

/* As file_disk_open; `path` of the first file. */
struct disk *segments_open(const struct disk_setting *setting, const char *path, uint64_t size,
                           bool is_read_only, int *error);
