#include "target/disk/pool.h"

#include "target/base/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* What was measured counts for so long, while so much room is left that others cannot take it all
 * in that time. */
enum { BLOCK = 4096, TRUST_MS = 100, TRUST_ROOM = 256 * 1024 * 1024 };

struct pool {
    uint64_t size;
    struct pool_member *members; /* owned */
    size_t count;
    uint64_t used;      /* bytes, at most; as it was measured and what was written since */
    int64_t measured;   /* ms; when */
    uint64_t under_way; /* bytes that workers are writing */
};

struct pool_disk {
    struct disk disk, *inner; /* owned */
    struct pool *pool;        /* borrowed, like the next */
    struct workers *workers;
    int descriptor; /* to look for holes */
};

/* A write that a worker does, in place of the one that was asked for. */
struct pool_write {
    struct disk_io io, *asked;
    struct pool *pool;
    struct work refusal;
};

struct pool *pool_new(void)
{
    return memory_new(sizeof(struct pool));
}

static void forget_members(struct pool *pool)
{
    for (size_t i = 0; i < pool->count; i++)
        free(pool->members[i].path);
    free(pool->members);
}

void pool_free(struct pool *pool)
{
    if (!pool)
        return;
    forget_members(pool);
    free(pool);
}

void pool_set(struct pool *pool, uint64_t size, const struct pool_member *members, size_t count)
{
    forget_members(pool);
    pool->size = size;
    pool->members = memory_new(count * sizeof *pool->members);
    pool->count = count;
    for (size_t i = 0; i < count; i++)
        pool->members[i] = members[i];
    pool->measured = 0;
}

uint64_t pool_size(const struct pool *pool)
{
    return pool->size;
}

static int64_t now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void measure(struct pool *pool)
{
    pool->used = pool->under_way;
    for (size_t i = 0; i < pool->count; i++) {
        const struct pool_member *member = &pool->members[i];
        struct stat status;
        uint64_t allocated = 0;

        if (stat(member->path, &status) == 0)
            allocated = (uint64_t)status.st_blocks * 512;
        pool->used += allocated > member->promised ? allocated : member->promised;
    }
    pool->measured = now_ms();
}

static bool fits(const struct pool *pool, uint64_t length)
{
    return pool->used <= pool->size && length <= pool->size - pool->used;
}

/* Bytes of the range that the file has no space for yet, in whole blocks. */
static uint64_t missing_space(int descriptor, uint64_t offset, uint64_t length)
{
    uint64_t end = (offset + length + BLOCK - 1) / BLOCK * BLOCK, missing = 0;

    for (uint64_t at = offset / BLOCK * BLOCK; at < end;) {
        off_t hole = lseek(descriptor, (off_t)at, SEEK_HOLE), data;

        if (hole < 0)
            return missing + (end - at); /* not in the first file: taken as empty */
        if ((uint64_t)hole >= end)
            break;
        data = lseek(descriptor, hole, SEEK_DATA);
        at = data < 0 || (uint64_t)data > end ? end : (uint64_t)data;
        missing += at - (uint64_t)hole;
    }
    return missing;
}

static bool takes_space(const struct disk_io *io)
{
    return io->operation == DISK_WRITE || io->operation == DISK_ZERO;
}

static bool has_room(struct pool_disk *disk, const struct disk_io *io)
{
    struct pool *pool = disk->pool;

    if (!takes_space(io))
        return true;
    if (!fits(pool, io->length + TRUST_ROOM) || now_ms() - pool->measured > TRUST_MS)
        measure(pool);
    if (fits(pool, io->length))
        return true;
    uint64_t missing = missing_space(disk->descriptor, io->offset, io->length);
    return missing == 0 || fits(pool, missing);
}

static bool pool_attempt(struct disk *base, struct disk_io *io)
{
    struct pool_disk *disk = container_of(base, struct pool_disk, disk);

    if (!has_room(disk, io)) {
        io->error = -ENOSPC;
        return true;
    }
    if (!disk_attempt(disk->inner, io))
        return false;
    if (io->operation == DISK_WRITE)
        disk->pool->used += io->length;
    return true;
}

static void on_written(struct disk_io *io)
{
    struct pool_write *write = container_of(io, struct pool_write, io);
    struct disk_io *asked = write->asked;

    write->pool->under_way -= io->length;
    asked->error = io->error;
    free(write);
    asked->done(asked);
}

/* The end of a request is told from the loop. */
static void do_nothing(struct work *work)
{
    (void)work;
}

static void on_refused(struct work *work)
{
    struct pool_write *write = container_of(work, struct pool_write, refusal);
    struct disk_io *asked = write->asked;

    asked->error = -ENOSPC;
    free(write);
    asked->done(asked);
}

static void pool_start(struct disk *base, struct disk_io *io)
{
    struct pool_disk *disk = container_of(base, struct pool_disk, disk);
    struct pool_write *write;

    if (!takes_space(io)) {
        disk_start(disk->inner, io);
        return;
    }
    write = memory_new(sizeof *write);
    write->asked = io;
    if (!has_room(disk, io)) {
        write->refusal = (struct work){.run = do_nothing, .done = on_refused};
        workers_add(disk->workers, &write->refusal);
        return;
    }
    write->io = *io;
    write->io.done = on_written;
    write->pool = disk->pool;
    disk->pool->under_way += io->length;
    disk->pool->used += io->length;
    disk_start(disk->inner, &write->io);
}

static bool pool_span(struct disk *base, uint64_t offset, uint64_t length, struct span *span)
{
    return disk_span(container_of(base, struct pool_disk, disk)->inner, offset, length, span);
}

static struct disk_space pool_space(struct disk *base)
{
    struct pool_disk *disk = container_of(base, struct pool_disk, disk);
    struct disk_space space = disk_space(disk->inner);
    uint64_t room;

    measure(disk->pool);
    room = disk->pool->used < disk->pool->size ? disk->pool->size - disk->pool->used : 0;
    if (room < space.available) {
        space.available = room;
        space.is_shared = true;
    }
    return space;
}

static void pool_close(struct disk *base)
{
    struct pool_disk *disk = container_of(base, struct pool_disk, disk);

    disk_close(disk->inner);
    if (disk->descriptor >= 0)
        close(disk->descriptor);
    free(disk);
}

static const struct disk_operations operations = {
    .attempt = pool_attempt,
    .start = pool_start,
    .span = pool_span,
    .space = pool_space,
    .close = pool_close,
};

struct disk *pool_disk_new(struct pool *pool, struct workers *workers, struct disk *inner,
                           const char *path)
{
    struct pool_disk *disk = memory_new(sizeof *disk);

    disk->disk.operations = &operations;
    disk->inner = inner;
    disk->pool = pool;
    disk->workers = workers;
    disk->descriptor = open(path, O_RDONLY | O_CLOEXEC);
    return &disk->disk;
}
