#include "target/disk/journal.h"

#include "target/base/bytes.h"
#include "target/base/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <isa-l/crc.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

/* The file: magic, offset and length (eight bytes each), checksum of these and the data, data. */
enum { MAGIC_AT = 0, OFFSET_AT = 8, LENGTH_AT = 16, CHECKSUM_AT = 24, HEADER_SIZE = 32 };
enum { LENGTH_MAXIMUM = 64 * 1024 * 1024 };
#define MAGIC UINT64_C(0x61746f6d69632031)

struct journal {
    char *path; /* owned */
    int descriptor;
    pthread_mutex_t lock;
};

struct journal *journal_new(const char *path)
{
    struct journal *journal = memory_new(sizeof *journal);

    journal->path = memory_format("%s.atomic", path);
    journal->descriptor = -1;
    pthread_mutex_init(&journal->lock, NULL);
    return journal;
}

void journal_free(struct journal *journal)
{
    if (!journal)
        return;
    if (journal->descriptor >= 0)
        close(journal->descriptor);
    pthread_mutex_destroy(&journal->lock);
    free(journal->path);
    free(journal);
}

static uint32_t checksum(const uint8_t *header, const uint8_t *bytes, uint64_t length)
{
    uint32_t sum = crc32_iscsi((uint8_t *)(uintptr_t)header, CHECKSUM_AT, 0);

    return crc32_iscsi((uint8_t *)(uintptr_t)bytes, (int)length, sum);
}

static int write_again(int descriptor, const uint8_t *bytes, uint64_t size)
{
    uint64_t length = get_be64(bytes + LENGTH_AT);

    if (get_be64(bytes + MAGIC_AT) != MAGIC || length != size - HEADER_SIZE ||
        get_be32(bytes + CHECKSUM_AT) != checksum(bytes, bytes + HEADER_SIZE, length))
        return 0; /* it was not even begun on the disk */
    return pwrite(descriptor, bytes + HEADER_SIZE, length, (off_t)get_be64(bytes + OFFSET_AT)) ==
                   (ssize_t)length
               ? 0
               : -EIO;
}

int journal_replay(struct journal *journal, int descriptor)
{
    int file = open(journal->path, O_RDWR | O_CLOEXEC), error = 0;
    struct stat status;
    uint8_t *bytes;

    if (file < 0)
        return errno == ENOENT ? 0 : -errno;
    if (!fstat(file, &status) && status.st_size > HEADER_SIZE &&
        status.st_size <= HEADER_SIZE + LENGTH_MAXIMUM) {
        bytes = memory_new((size_t)status.st_size);
        if (pread(file, bytes, (size_t)status.st_size, 0) == status.st_size)
            error = write_again(descriptor, bytes, (uint64_t)status.st_size);
        free(bytes);
    }
    if (!error && ftruncate(file, 0))
        error = -errno;
    close(file);
    return error;
}

static int note(struct journal *journal, const uint8_t *bytes, uint64_t offset, uint64_t length)
{
    uint8_t header[HEADER_SIZE] = {0};
    struct iovec parts[] = {{header, HEADER_SIZE}, {(void *)(uintptr_t)bytes, length}};

    if (journal->descriptor < 0)
        journal->descriptor = open(journal->path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (journal->descriptor < 0)
        return -errno;
    put_be64(header + MAGIC_AT, MAGIC);
    put_be64(header + OFFSET_AT, offset);
    put_be64(header + LENGTH_AT, length);
    put_be32(header + CHECKSUM_AT, checksum(header, bytes, length));
    if (pwritev(journal->descriptor, parts, 2, 0) == (ssize_t)(HEADER_SIZE + length))
        return 0;
    return errno == ENOSPC || errno == EDQUOT ? -ENOSPC : -EIO;
}

int journal_write(struct journal *journal, journal_write_function *write, int descriptor,
                  const uint8_t *bytes, uint64_t offset, uint64_t length, int flags)
{
    int error;

    pthread_mutex_lock(&journal->lock);
    error = note(journal, bytes, offset, length);
    if (!error)
        error = write(descriptor, bytes, offset, length, flags);
    if (journal->descriptor >= 0 && ftruncate(journal->descriptor, 0) && !error)
        error = -errno;
    pthread_mutex_unlock(&journal->lock);
    return error;
}
