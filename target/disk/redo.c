#include "target/disk/redo.h"

#include "target/base/guarded.h"
#include "target/base/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

enum { PAGE = 4096, LINE = 64 };

/* What the second file holds; only processes of one machine and boot read each other's. */
struct record {
    char boot[REDO_BOOT_SIZE];
    uint64_t offset, length; /* in the disk's file, within a page; length 0: nothing is under way */
    _Alignas(LINE) uint8_t bytes[PAGE];
};

struct redo {
    char *path; /* owned */
    char boot[REDO_BOOT_SIZE];
    struct record *record; /* owned, mapped; NULL: nothing was copied yet */
    bool is_broken;        /* there can be no record */
};

bool redo_read_boot(char boot[static REDO_BOOT_SIZE])
{
    int file = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
    ssize_t length = file < 0 ? -1 : read(file, boot, REDO_BOOT_SIZE - 1);

    if (file >= 0)
        close(file);
    boot[length > 0 ? length : 0] = '\0';
    return length > 0;
}

struct redo *redo_new(const char *path, const char *boot)
{
    struct redo *redo = memory_new(sizeof *redo);

    redo->path = memory_format("%s.redo", path);
    strncpy(redo->boot, boot, sizeof redo->boot - 1);
    return redo;
}

void redo_free(struct redo *redo)
{
    if (!redo)
        return;
    if (redo->record) {
        munmap(redo->record, sizeof *redo->record);
        unlink(redo->path);
    }
    free(redo->path);
    free(redo);
}

static int write_again(const struct record *record, int descriptor)
{
    uint64_t done = 0;

    while (done < record->length) {
        ssize_t count = pwrite(descriptor, record->bytes + done, record->length - done,
                               (off_t)(record->offset + done));

        if (count < 0 && errno != EINTR)
            return -errno;
        done += count > 0 ? (uint64_t)count : 0;
    }
    return 0;
}

int redo_replay(struct redo *redo, int descriptor)
{
    int file = open(redo->path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW), error = 0;
    struct record record = {0};

    if (file < 0)
        return errno == ENOENT ? 0 : -errno;
    if (pread(file, &record, sizeof record, 0) == sizeof record && record.length <= PAGE &&
        !strncmp(record.boot, redo->boot, sizeof record.boot))
        error = write_again(&record, descriptor);
    close(file);
    if (!error && unlink(redo->path))
        error = -errno;
    return error;
}

static struct record *map_record(int file)
{
    struct record *record;

    if (file < 0 || fallocate(file, 0, 0, sizeof *record))
        return NULL;
    record = mmap(NULL, sizeof *record, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    return record == MAP_FAILED ? NULL : record;
}

static bool prepare(struct redo *redo)
{
    int file;

    if (redo->is_broken)
        return false;
    file = open(redo->path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    redo->record = map_record(file);
    if (file >= 0)
        close(file);
    redo->is_broken = !redo->record;
    if (redo->record)
        memcpy(redo->record->boot, redo->boot, sizeof redo->boot);
    return redo->record;
}

#ifdef __SSE2__

/* Past the caches: nobody reads it soon, and what is overwritten whole need not be fetched before.
 * No fence follows: another thread or the host learns of it by a locked instruction at the least,
 * and that waits for such stores as a fence would. */
static void copy_line(uint8_t *to, const uint8_t *from)
{
    const __m128i *source = (const __m128i *)from;
    __m128i *place = (__m128i *)to;
    __m128i a = _mm_load_si128(source), b = _mm_load_si128(source + 1),
            c = _mm_load_si128(source + 2), d = _mm_load_si128(source + 3);

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
 * instructions is all that counts. */
static void copy_part(struct record *record, uint8_t *to, uint64_t offset, const uint8_t *bytes,
                      uint64_t length)
{
    memcpy(record->bytes, bytes, length);
    record->offset = offset;
    atomic_signal_fence(memory_order_seq_cst);
    record->length = length;
    atomic_signal_fence(memory_order_seq_cst);
    copy_whole(to, record->bytes, length);
    atomic_signal_fence(memory_order_seq_cst);
    record->length = 0;
    atomic_signal_fence(memory_order_seq_cst);
}

struct copy {
    struct record *record;
    uint8_t *to;
    uint64_t offset, length;
    const uint8_t *bytes;
};

static void copy_parts(void *argument)
{
    struct copy copy = *(struct copy *)argument;

    for (uint64_t done = 0, part; done < copy.length; done += part) {
        part = PAGE - (copy.offset + done) % PAGE;
        if (part > copy.length - done)
            part = copy.length - done;
        copy_part(copy.record, copy.to + done, copy.offset + done, copy.bytes + done, part);
    }
}

/* The record itself may be what somebody has cut. */
static void give_up(struct redo *redo, const uint8_t *missing)
{
    const uint8_t *record = (const uint8_t *)redo->record;

    if (missing < record || missing >= record + sizeof *redo->record) {
        redo->record->length = 0;
        return;
    }
    munmap(redo->record, sizeof *redo->record);
    redo->record = NULL;
    redo->is_broken = true;
}

bool redo_copy(struct redo *redo, uint8_t *to, uint64_t offset, const uint8_t *bytes,
               uint64_t length)
{
    const uint8_t *missing;

    if (!redo->record && !prepare(redo))
        return false;
    struct copy copy = {redo->record, to, offset, length, bytes};
    if (guarded_run(copy_parts, &copy, &missing))
        return true;
    give_up(redo, missing);
    return false;
}
