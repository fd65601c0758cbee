/* The files of a volume: file systems limit the size of one, so that a large volume lies in several
 * of up to SEGMENT_SIZE bytes, NAME.img, NAME.img.1, NAME.img.2 ... */
#pragma once

#include "target/base/memory.h"

#include <stdint.h>

/* Beside them, of a node: where what hosts send lands (target/disk/landing.h). */
#define LANDING_NAME ".landing-%d"

#define SEGMENT_SIZE ((uint64_t)8 << 40)
#define VOLUME_MAXIMUM ((uint64_t)64 << 40) /* bytes of a volume */

static inline unsigned segment_count(uint64_t size)
{
    return size > SEGMENT_SIZE ? (unsigned)((size + SEGMENT_SIZE - 1) / SEGMENT_SIZE) : 1;
}

static inline uint64_t segment_size(uint64_t size, unsigned number)
{
    uint64_t rest = size - number * SEGMENT_SIZE;

    return rest < SEGMENT_SIZE ? rest : SEGMENT_SIZE;
}

/* `path`: of the first one. Owned by the caller. */
static inline char *segment_path(const char *path, unsigned number)
{
    return number ? memory_format("%s.%u", path, number) : memory_copy_text(path);
}
