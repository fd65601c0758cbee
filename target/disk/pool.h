/* Volumes that share the space of a pool, on whatever node each of them is. What a volume takes is
 * what its file has allocated, so that nothing need be kept in step: a write that needs new space
 * is let through while all files together have room for it. Within a process that is exact; what
 * other nodes have under way at that moment can exceed the size. */
#pragma once

#include "target/disk/disk.h"

#include <stddef.h>

struct pool;

struct pool_member {
    char *path;        /* of its file, which may not be there yet; taken over */
    uint64_t promised; /* bytes that are its own whether it has allocated them or not */
};

struct pool *pool_new(void);
/* No disk of it may be left. NULL is fine. */
void pool_free(struct pool *pool);
void pool_set(struct pool *pool, uint64_t size, const struct pool_member *members, size_t count);

/* Bytes. */
uint64_t pool_size(const struct pool *pool);

/* A disk in the pool around `inner`, which is taken over. -ENOSPC when the pool is exhausted.
 * `path`: of its file. */
struct disk *pool_disk_new(struct pool *pool, struct workers *workers, struct disk *inner,
                           const char *path);
