#include "target/disk/redo.h"

#include "target/base/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { PAGE = 4096 };

/* What the second file holds; only processes of one machine and boot read each other's. */
struct record {
    char boot[REDO_BOOT_SIZE];
    uint64_t offset, length; /* in the disk's file, within a page; length 0: nothing is under way */
    uint8_t bytes[PAGE];
};

struct redo {
    char *path; /* owned */
    char boot[REDO_BOOT_SIZE];
    struct record *record; /* owned, mapped; NULL: nothing was copied yet */
    bool is_broken;        /* there can be no record */
};

/* Where a copy of this thread goes on when memory is not to be had, and where that was. */
static _Thread_local sigjmp_buf *way_out;
static _Thread_local const uint8_t *missing;

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

/* A bus error that is not ours ends the process as it would without us. */
static void on_bus_error(int signal, siginfo_t *about, void *context)
{
    (void)context;
    if (way_out) {
        missing = about->si_addr;
        siglongjmp(*way_out, 1);
    }
    sigaction(signal, &(struct sigaction){.sa_handler = SIG_DFL}, NULL);
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
    static const struct sigaction catches = {.sa_sigaction = on_bus_error,
                                             .sa_flags = SA_SIGINFO | SA_NODEFER};
    int file;

    if (redo->is_broken)
        return false;
    file = open(redo->path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    redo->record = map_record(file);
    if (file >= 0)
        close(file);
    if (!redo->record || sigaction(SIGBUS, &catches, NULL)) {
        redo->is_broken = true;
        return false;
    }
    memcpy(redo->record->boot, redo->boot, sizeof redo->boot);
    return true;
}

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
    memcpy(to, record->bytes, length);
    atomic_signal_fence(memory_order_seq_cst);
    record->length = 0;
    atomic_signal_fence(memory_order_seq_cst);
}

/* Not a part of its caller, whose variables must survive the jump. */
static __attribute__((noinline)) void copy_parts(struct record *record, uint8_t *to,
                                                 uint64_t offset, const uint8_t *bytes,
                                                 uint64_t length)
{
    for (uint64_t part; length; to += part, offset += part, bytes += part, length -= part) {
        part = PAGE - offset % PAGE < length ? PAGE - offset % PAGE : length;
        copy_part(record, to, offset, bytes, part);
    }
}

/* The record itself may be what somebody has cut. */
static void give_up(struct redo *redo)
{
    const uint8_t *record = (const uint8_t *)redo->record;

    if (missing >= record && missing < record + sizeof *redo->record) {
        munmap(redo->record, sizeof *redo->record);
        redo->record = NULL;
        redo->is_broken = true;
    } else {
        redo->record->length = 0;
    }
}

bool redo_copy(struct redo *redo, uint8_t *to, uint64_t offset, const uint8_t *bytes,
               uint64_t length)
{
    sigjmp_buf here;

    if (!redo->record && !prepare(redo))
        return false;
    if (sigsetjmp(here, 0)) {
        way_out = NULL;
        give_up(redo);
        return false;
    }
    way_out = &here;
    copy_parts(redo->record, to, offset, bytes, length);
    way_out = NULL;
    return true;
}
