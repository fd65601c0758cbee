#include "target/disk/redo.h"

#include "target/base/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

enum { LINE = 64 };

struct redo {
    char *path; /* owned */
    char boot[LANDING_BOOT_SIZE];
    int descriptor;          /* borrowed, as the next */
    struct landing *landing; /* NULL: nothing can be copied */
    uint64_t device, inode;
    bool has_record;
    bool is_broken; /* there can be none */
};

struct redo *redo_new(const char *path, int descriptor, const char *boot, struct landing *landing)
{
    struct redo *redo = memory_new(sizeof *redo);
    struct stat status = {0};

    redo->path = memory_format("%s.redo", path);
    strncpy(redo->boot, boot, sizeof redo->boot - 1);
    redo->descriptor = descriptor;
    redo->landing = landing;
    redo->is_broken = fstat(descriptor, &status);
    redo->device = status.st_dev;
    redo->inode = status.st_ino;
    return redo;
}

void redo_free(struct redo *redo)
{
    if (!redo)
        return;
    if (redo->has_record)
        unlink(redo->path);
    free(redo->path);
    free(redo);
}

/* What somebody has cut from the record is forgotten. */
static int write_again(const struct redo *redo, int file, const struct landing_record *record)
{
    uint8_t bytes[LANDING_PAGE];

    for (uint64_t done = 0; done < record->length;) {
        uint64_t rest = record->length - done;
        ssize_t count = pread(file, bytes, rest < sizeof bytes ? rest : sizeof bytes,
                              (off_t)(record->place + done));

        if (!count)
            return 0;
        if (count > 0)
            count = pwrite(redo->descriptor, bytes, (size_t)count, (off_t)(record->offset + done));
        if (count < 0 && errno != EINTR)
            return -errno;
        done += count > 0 ? (uint64_t)count : 0;
    }
    return 0;
}

static bool is_under_way(const struct redo *redo, const struct landing_record *record)
{
    return !strncmp(record->boot, redo->boot, sizeof record->boot) &&
           record->device == redo->device && record->inode == redo->inode;
}

int redo_replay(struct redo *redo)
{
    int file = open(redo->path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW), error = 0;
    struct landing_record record = {0};

    if (file < 0)
        return errno == ENOENT ? 0 : -errno;
    if (pread(file, &record, sizeof record, 0) == sizeof record && is_under_way(redo, &record))
        error = write_again(redo, file, &record);
    close(file);
    if (!error && unlink(redo->path))
        error = -errno;
    return error;
}

static bool make_record(struct redo *redo)
{
    if (!redo->landing || redo->is_broken)
        return false;
    redo->has_record = !link(redo->landing->path, redo->path);
    redo->is_broken = !redo->has_record;
    return redo->has_record;
}

#ifdef __SSE2__

/* Past the caches: nobody reads it soon, and what is overwritten whole need not be fetched before.
 * No fence follows: another thread or the host learns of it by a locked instruction at the least,
 * and that waits for such stores as a fence would. */
static void copy_line(uint8_t *to, const uint8_t *from)
{
    const __m128i *source = (const __m128i *)from;
    __m128i *place = (__m128i *)to;
    __m128i a = _mm_loadu_si128(source), b = _mm_loadu_si128(source + 1),
            c = _mm_loadu_si128(source + 2), d = _mm_loadu_si128(source + 3);

    _mm_stream_si128(place, a);
    _mm_stream_si128(place + 1, b);
    _mm_stream_si128(place + 2, c);
    _mm_stream_si128(place + 3, d);
}

static void copy_whole(uint8_t *to, const uint8_t *from, uint64_t length)
{
    if ((uintptr_t)to % LINE || length % LINE) {
        memcpy(to, from, length);
        return;
    }
    for (uint64_t at = 0; at < length; at += LINE)
        copy_line(to + at, from + at);
}

#else

static void copy_whole(uint8_t *to, const uint8_t *from, uint64_t length)
{
    memcpy(to, from, length);
}

#endif

/* Whoever is killed has done all up to some instruction and nothing behind it: the order of the
 * instructions is all that counts. `bytes` lie in the landing. */
static void copy_landed(const struct redo *redo, uint8_t *to, uint64_t offset, const uint8_t *bytes,
                        uint64_t length)
{
    struct landing_record *record = redo->landing->record;

    record->device = redo->device;
    record->inode = redo->inode;
    record->offset = offset;
    record->place = (uint64_t)(bytes - redo->landing->memory.bytes);
    atomic_signal_fence(memory_order_seq_cst);
    record->length = length;
    atomic_signal_fence(memory_order_seq_cst);
    copy_whole(to, bytes, length);
    atomic_signal_fence(memory_order_seq_cst);
    record->length = 0;
    atomic_signal_fence(memory_order_seq_cst);
}

struct copy {
    const struct redo *redo;
    uint8_t *to;
    uint64_t offset, length;
    const uint8_t *bytes;
};

static void copy_at_once(void *argument)
{
    const struct copy *copy = argument;

    copy_landed(copy->redo, copy->to, copy->offset, copy->bytes, copy->length);
}

static void copy_by_the_page(void *argument)
{
    const struct copy *copy = argument;
    uint8_t *page = copy->redo->landing->page;

    for (uint64_t done = 0, part; done < copy->length; done += part) {
        part = LANDING_PAGE - (copy->offset + done) % LANDING_PAGE;
        if (part > copy->length - done)
            part = copy->length - done;
        memcpy(page, copy->bytes + done, part);
        copy_landed(copy->redo, copy->to + done, copy->offset + done, page, part);
    }
}

bool redo_copy(struct redo *redo, uint8_t *to, uint64_t offset, const uint8_t *bytes,
               uint64_t length)
{
    struct landing *landing = redo->landing;
    const uint8_t *missing;

    if ((!redo->has_record && !make_record(redo)) || landing->memory.is_lost)
        return false;
    struct copy copy = {redo, to, offset, length, bytes};
    if (guarded_run(guarded_has(&landing->memory, bytes) ? copy_at_once : copy_by_the_page, &copy,
                    &missing))
        return true;
    if (guarded_has(&landing->memory, missing))
        guarded_lose(&landing->memory);
    landing->record->length = 0;
    return false;
}
