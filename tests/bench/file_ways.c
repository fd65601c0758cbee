#include "tests/bench/file_ways.h"
#include "tests/bench/common.h"
#include "tests/bench/file_uring.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

void file_way_refuse(const char *what, int error)
{
    printf("{\"refused\": \"%s: %s\"}\n", what, strerrorname_np(error));
    exit(0);
}

static uint8_t *block_of(const struct file_job *job, uint64_t command)
{
    return job->buffer + command * job->block;
}

static void move_one(const struct file_job *job, uint64_t command)
{
    uint8_t *block = block_of(job, command);
    off_t at = job->places[command];
    ssize_t length = job->is_writing ? pwrite(job->file, block, job->block, at)
                                     : pread(job->file, block, job->block, at);

    if (length != (ssize_t)job->block)
        die("the file: %s", strerror(errno));
}

static void move_each(struct file_job *job)
{
    for (uint64_t i = 0; i < job->batch; i++)
        move_one(job, i);
}

static void move_at_once(struct file_job *job, uint64_t command)
{
    struct iovec block = {block_of(job, command), job->block};
    off_t at = job->places[command];
    ssize_t length = job->is_writing ? pwritev2(job->file, &block, 1, at, RWF_NOWAIT)
                                     : preadv2(job->file, &block, 1, at, RWF_NOWAIT);

    if (length == (ssize_t)job->block)
        return;
    if (length < 0 && errno != EAGAIN)
        file_way_refuse("RWF_NOWAIT", errno);
    job->again++;
    move_one(job, command);
}

static void move_each_at_once(struct file_job *job)
{
    for (uint64_t i = 0; i < job->batch; i++)
        move_at_once(job, i);
}

/* Its pages are there before the time counts, as those of the page cache are for other ways. */
static void open_mapping(struct file_job *job)
{
    int how = job->is_writing ? MADV_POPULATE_WRITE : MADV_POPULATE_READ;

    job->mapping = mmap(NULL, job->region, PROT_READ | PROT_WRITE, MAP_SHARED, job->file, 0);
    if (job->mapping == MAP_FAILED || madvise(job->mapping, job->region, how))
        file_way_refuse("mmap", errno);
}

static void copy_each(struct file_job *job)
{
    for (uint64_t i = 0; i < job->batch; i++) {
        uint8_t *block = block_of(job, i), *mapped = job->mapping + job->places[i];

        memcpy(job->is_writing ? mapped : block, job->is_writing ? block : mapped, job->block);
    }
}

/* The kernel copies, from this process to itself: a page that is not to be had is EFAULT. */
static void copy_all(struct file_job *job)
{
    struct iovec blocks[FILE_BATCH_MAX], mapped[FILE_BATCH_MAX];

    for (uint64_t i = 0; i < job->batch; i++) {
        blocks[i] = (struct iovec){block_of(job, i), job->block};
        mapped[i] = (struct iovec){job->mapping + job->places[i], job->block};
    }
    ssize_t length = job->is_writing
                         ? process_vm_writev(getpid(), blocks, job->batch, mapped, job->batch, 0)
                         : process_vm_readv(getpid(), blocks, job->batch, mapped, job->batch, 0);
    if (length < 0)
        file_way_refuse("process_vm", errno);
    if (length != (ssize_t)(job->batch * job->block))
        die("a mapping of which not all can be copied");
}

/* clang-format off */
static const struct file_way ways[] = {
    { "pread",   NULL,            move_each },
    { "nowait",  NULL,            move_each_at_once },
    { "uring",   file_uring_open, file_uring_move },
    { "mapping", open_mapping,    copy_each },
    { "vm",      open_mapping,    copy_all },
};
/* clang-format on */

const struct file_way *file_way_find(const char *name)
{
    for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++)
        if (!strcmp(ways[i].name, name))
            return &ways[i];
    return NULL;
}
