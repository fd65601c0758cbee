#include "target/disk/file.h"

#include "target/base/memory.h"
#include "target/disk/journal.h"
#include "target/disk/mapping.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

/* On the loop a write is a copy into the page cache; above this it takes too long for one. */
enum { LOOP_WRITE_MAXIMUM = 256 * 1024 };

struct file_disk {
    struct disk disk;
    struct workers *workers; /* borrowed: outlives us */
    int descriptor;
    struct redo *redo;        /* owned; of the mapping; NULL: read-only */
    struct mapping *mapping;  /* owned */
    struct journal *journal;  /* owned; of atomic writes; NULL: read-only */
    bool cannot_write_nowait; /* the file system does not know RWF_NOWAIT for writes */
};

static int read_all(int descriptor, uint8_t *bytes, uint64_t offset, uint64_t length)
{
    while (length) {
        ssize_t count = pread(descriptor, bytes, length, (off_t)offset);

        if (count < 0 && errno == EINTR)
            continue;
        if (count <= 0)
            return count < 0 ? -errno : -EIO; /* -EIO: somebody cut the file */
        bytes += count;
        offset += (uint64_t)count;
        length -= (uint64_t)count;
    }
    return 0;
}

/* A plain write past the C library, whose thread cancellation is a noticeable part of a small one.
 */
static ssize_t write_some(int descriptor, const uint8_t *bytes, uint64_t offset, uint64_t length,
                          int flags)
{
    struct iovec vector = {(void *)(uintptr_t)bytes, length};

    return flags ? pwritev2(descriptor, &vector, 1, (off_t)offset, flags)
                 : syscall(SYS_pwrite64, descriptor, bytes, length, offset);
}

static int write_all(int descriptor, const uint8_t *bytes, uint64_t offset, uint64_t length,
                     int flags)
{
    while (length) {
        ssize_t count = write_some(descriptor, bytes, offset, length, flags);

        if (count < 0 && errno == EINTR)
            continue;
        if (count <= 0)
            return count < 0 ? -errno : -EIO;
        bytes += count;
        offset += (uint64_t)count;
        length -= (uint64_t)count;
    }
    return 0;
}

static int run_read(int descriptor, struct disk_io *io)
{
    return read_all(descriptor, io->buffer, io->offset, io->length);
}

static int run_write(int descriptor, struct disk_io *io)
{
    return write_all(descriptor, io->buffer, io->offset, io->length, io->is_forced ? RWF_DSYNC : 0);
}

static int run_flush(int descriptor, struct disk_io *io)
{
    (void)io;
    return fdatasync(descriptor) ? -errno : 0;
}

static int write_zeros(int descriptor, uint64_t offset, uint64_t length)
{
    enum { ZEROS_SIZE = 64 * 1024 };
    uint8_t *zeros = memory_new(ZEROS_SIZE);
    int error = 0;

    while (length && !error) {
        uint64_t count = length < ZEROS_SIZE ? length : ZEROS_SIZE;

        error = write_all(descriptor, zeros, offset, count, 0);
        offset += count;
        length -= count;
    }
    free(zeros);
    return error;
}

static int allocate_or_write_zeros(int descriptor, int mode, const struct disk_io *io)
{
    while (
        fallocate(descriptor, mode | FALLOC_FL_KEEP_SIZE, (off_t)io->offset, (off_t)io->length)) {
        if (errno == EOPNOTSUPP)
            return write_zeros(descriptor, io->offset, io->length);
        if (errno != EINTR)
            return -errno;
    }
    return 0;
}

static int run_discard(int descriptor, struct disk_io *io)
{
    return allocate_or_write_zeros(descriptor, FALLOC_FL_PUNCH_HOLE, io);
}

static int run_zero(int descriptor, struct disk_io *io)
{
    return allocate_or_write_zeros(descriptor, FALLOC_FL_ZERO_RANGE, io);
}

static int run_locate(int descriptor, struct disk_io *io)
{
    off_t offset = (off_t)io->offset;
    off_t data = lseek(descriptor, offset, SEEK_DATA);

    if (data < 0 && errno != ENXIO) /* ENXIO: a hole up to the end */
        return -errno;
    io->is_mapped = data == offset;
    off_t end = io->is_mapped ? lseek(descriptor, offset, SEEK_HOLE) : data;
    if (end >= 0 && (uint64_t)(end - offset) < io->length)
        io->length = (uint64_t)(end - offset);
    return 0;
}

static int (*const runs[])(int descriptor, struct disk_io *io) = {
    [DISK_READ] = run_read,       [DISK_WRITE] = run_write, [DISK_FLUSH] = run_flush,
    [DISK_DISCARD] = run_discard, [DISK_ZERO] = run_zero,   [DISK_LOCATE] = run_locate,
};

static bool attempt_read(struct file_disk *file, struct disk_io *io)
{
    struct iovec vector = {io->buffer, io->length};

    io->error = 0;
    return preadv2(file->descriptor, &vector, 1, (off_t)io->offset, RWF_NOWAIT) ==
           (ssize_t)io->length;
}

static bool attempt_write(struct file_disk *file, struct disk_io *io)
{
    struct iovec vector = {io->buffer, io->length};

    if (io->is_forced || io->is_atomic || io->length > LOOP_WRITE_MAXIMUM)
        return false;
    mapping_change(file->mapping, io->offset, io->length, false);
    io->error = 0;
    if (mapping_write(file->mapping, io->offset, io->buffer, io->length))
        return true;
    if (!file->cannot_write_nowait) {
        ssize_t count = pwritev2(file->descriptor, &vector, 1, (off_t)io->offset, RWF_NOWAIT);

        if (count >= 0 || errno != EOPNOTSUPP)
            return count == (ssize_t)io->length;
        file->cannot_write_nowait = true;
    }
    io->error = write_all(file->descriptor, io->buffer, io->offset, io->length, 0);
    return true;
}

static bool file_attempt(struct disk *disk, struct disk_io *io)
{
    struct file_disk *file = container_of(disk, struct file_disk, disk);

    if (io->operation == DISK_READ)
        return attempt_read(file, io);
    if (io->operation == DISK_WRITE)
        return attempt_write(file, io);
    return false;
}

/* The space is there before the first byte changes. Within a page a write cannot be cut. */
static int write_atomically(struct file_disk *file, struct disk_io *io)
{
    enum { PAGE = 4096 };

    if (fallocate(file->descriptor, FALLOC_FL_KEEP_SIZE, (off_t)io->offset, (off_t)io->length) &&
        errno != EOPNOTSUPP)
        return -errno;
    if (io->offset / PAGE == (io->offset + io->length - 1) / PAGE)
        return run_write(file->descriptor, io);
    return journal_write(file->journal, write_all, file->descriptor, io->buffer, io->offset,
                         io->length, io->is_forced ? RWF_DSYNC : 0);
}

static void run_on_worker(struct work *work)
{
    struct disk_io *io = container_of(work, struct disk_io, work);
    struct file_disk *file = container_of(io->disk, struct file_disk, disk);

    io->error = io->operation == DISK_WRITE && io->is_atomic
                    ? write_atomically(file, io)
                    : runs[io->operation](file->descriptor, io);
}

static void on_run(struct work *work)
{
    struct disk_io *io = container_of(work, struct disk_io, work);

    io->done(io);
}

static void file_start(struct disk *disk, struct disk_io *io)
{
    struct file_disk *file = container_of(disk, struct file_disk, disk);

    if (io->operation == DISK_WRITE || io->operation == DISK_DISCARD || io->operation == DISK_ZERO)
        mapping_change(file->mapping, io->offset, io->length, io->operation != DISK_WRITE);
    io->disk = disk;
    io->work.run = run_on_worker;
    io->work.done = on_run;
    workers_add(file->workers, &io->work);
}

static bool file_span(struct disk *disk, uint64_t offset, uint64_t length, struct span *span)
{
    return mapping_find(container_of(disk, struct file_disk, disk)->mapping, offset, length, span);
}

static void file_close(struct disk *disk)
{
    struct file_disk *file = container_of(disk, struct file_disk, disk);

    mapping_free(file->mapping);
    close(file->descriptor);
    journal_free(file->journal);
    redo_free(file->redo);
    free(file);
}

/* The file system's room counts where it is less than what the file lacks of its size. */
static struct disk_space file_space(struct disk *disk)
{
    struct file_disk *file = container_of(disk, struct file_disk, disk);
    struct disk_space space = {0};
    struct statvfs file_system;
    struct stat status;

    if (fstat(file->descriptor, &status))
        return space;
    space.used = (uint64_t)status.st_blocks * 512;
    if (space.used < (uint64_t)status.st_size)
        space.available = (uint64_t)status.st_size - space.used;
    if (!fstatvfs(file->descriptor, &file_system)) {
        uint64_t room = (uint64_t)file_system.f_bavail * file_system.f_frsize;

        space.is_shared = room < space.available;
        space.available = space.is_shared ? room : space.available;
    }
    return space;
}

static const struct disk_operations operations = {file_attempt, file_start, file_span, file_space,
                                                  file_close};

/* What a process that is gone left behind. 0 or -errno. */
static int replay(const struct file_disk *file)
{
    int error = journal_replay(file->journal, file->descriptor);

    return error ? error : redo_replay(file->redo);
}

struct disk *file_disk_open(const struct disk_setting *setting, const char *path, uint64_t size,
                            bool is_read_only, int *error)
{
    int descriptor = open(path, (is_read_only ? O_RDONLY : O_RDWR) | O_CLOEXEC);
    struct stat status;

    *error = 0;
    if (descriptor < 0 || fstat(descriptor, &status))
        *error = -errno;
    else if ((uint64_t)status.st_size < size)
        *error = -EFBIG;
    if (*error) {
        if (descriptor >= 0)
            close(descriptor);
        return NULL;
    }

    struct file_disk *file = memory_new(sizeof *file);
    file->disk.operations = &operations;
    file->workers = setting->workers;
    file->descriptor = descriptor;
    if (!is_read_only) {
        file->journal = journal_new(path);
        file->redo =
            redo_new(path, descriptor, setting->boot ? setting->boot : "", setting->landing);
        *error = replay(file);
    }
    file->mapping = mapping_new(setting->workers, descriptor, setting->landing ? file->redo : NULL);
    if (!*error)
        return &file->disk;
    file_close(&file->disk);
    return NULL;
}
