#include "target/disk/segments.h"

#include "target/base/memory.h"
#include "target/base/segment.h"
#include "target/disk/file.h"

#include <stdlib.h>

struct segments {
    struct disk disk;
    unsigned count;
    struct disk *files[]; /* owned */
};

struct part {
    struct disk_io io;
    struct split *split;
};

/* A request on its way in the files that it touches. */
struct split {
    struct disk_io *asked;
    unsigned under_way;
    struct part parts[];
};

static struct segments *segments_of(struct disk *disk)
{
    return container_of(disk, struct segments, disk);
}

/* The file of a range that lies in one, or NULL. */
static struct disk *find_file(const struct segments *segments, uint64_t offset, uint64_t length)
{
    uint64_t number = offset / SEGMENT_SIZE;

    if (number >= segments->count || offset % SEGMENT_SIZE + length > SEGMENT_SIZE)
        return NULL;
    return segments->files[number];
}

static bool segments_attempt(struct disk *disk, struct disk_io *io)
{
    struct disk *file = find_file(segments_of(disk), io->offset, io->length);
    uint64_t offset = io->offset;
    bool is_done;

    if (!file || io->operation == DISK_FLUSH)
        return false;
    io->offset %= SEGMENT_SIZE;
    is_done = disk_attempt(file, io);
    io->offset = offset;
    return is_done;
}

static void on_part(struct disk_io *io)
{
    struct split *split = container_of(io, struct part, io)->split;
    struct disk_io *asked = split->asked;

    if (io->error && !asked->error)
        asked->error = io->error;
    if (asked->operation == DISK_LOCATE) {
        asked->is_mapped = io->is_mapped;
        asked->length = io->length;
    }
    if (--split->under_way)
        return;
    free(split);
    asked->done(asked);
}

/* What of the request is in the file: false if nothing. Of DISK_LOCATE only the first file. */
static bool take_part(struct disk_io *part, const struct disk_io *asked, unsigned number)
{
    uint64_t start = number * SEGMENT_SIZE, end = start + SEGMENT_SIZE;
    uint64_t from = asked->offset > start ? asked->offset : start;
    uint64_t to = asked->offset + asked->length < end ? asked->offset + asked->length : end;

    *part = *asked;
    part->done = on_part;
    if (asked->operation == DISK_FLUSH)
        return true;
    if (from >= to || (asked->operation == DISK_LOCATE && from != asked->offset))
        return false;
    part->offset = from - start;
    part->length = to - from;
    if (asked->buffer)
        part->buffer = asked->buffer + (from - asked->offset);
    return true;
}

static void segments_start(struct disk *disk, struct disk_io *io)
{
    struct segments *segments = segments_of(disk);
    struct split *split = memory_new(sizeof *split + segments->count * sizeof split->parts[0]);
    struct disk_io taken;

    io->error = 0;
    split->asked = io;
    for (unsigned i = 0; i < segments->count; i++)
        split->under_way += take_part(&taken, io, i);
    for (unsigned i = 0, rest = split->under_way; rest; i++) {
        struct part *part = &split->parts[i];

        part->split = split;
        if (!take_part(&part->io, io, i))
            continue;
        rest--;
        disk_start(segments->files[i], &part->io);
    }
}

static bool segments_span(struct disk *disk, uint64_t offset, uint64_t length, struct span *span)
{
    struct disk *file = find_file(segments_of(disk), offset, length);

    return file && disk_span(file, offset % SEGMENT_SIZE, length, span);
}

static struct disk_space segments_space(struct disk *disk)
{
    const struct segments *segments = segments_of(disk);
    struct disk_space all = {0};

    for (unsigned i = 0; i < segments->count; i++) {
        struct disk_space one = disk_space(segments->files[i]);

        all.used += one.used;
        if (one.is_shared) /* the file system's room is the same for all */
            all.available = one.available;
        else if (!all.is_shared)
            all.available += one.available;
        all.is_shared |= one.is_shared;
    }
    return all;
}

static void segments_close(struct disk *disk)
{
    struct segments *segments = segments_of(disk);

    for (unsigned i = 0; i < segments->count; i++)
        disk_close(segments->files[i]);
    free(segments);
}

static const struct disk_operations operations = {segments_attempt, segments_start, segments_span,
                                                  segments_space, segments_close};

struct disk *segments_open(const struct disk_setting *setting, const char *path, uint64_t size,
                           bool is_read_only, int *error)
{
    unsigned count = segment_count(size);
    struct segments *segments;

    if (count == 1)
        return file_disk_open(setting, path, size, is_read_only, error);
    segments = memory_new(sizeof *segments + count * sizeof segments->files[0]);
    segments->disk.operations = &operations;
    while (segments->count < count) {
        unsigned number = segments->count;
        char *file = segment_path(path, number);
        struct disk *disk =
            file_disk_open(setting, file, segment_size(size, number), is_read_only, error);

        free(file);
        if (!disk) {
            segments_close(&segments->disk);
            return NULL;
        }
        segments->files[segments->count++] = disk;
    }
    return &segments->disk;
}
