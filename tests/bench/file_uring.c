#include "tests/bench/file_uring.h"
#include "tests/bench/common.h"

#include <errno.h>
#include <linux/io_uring.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

/* io_uring_setup(2): two rings that are shared with the kernel. There is one per program. */
static struct uring {
    int fd;
    uint32_t *submit_tail, *complete_head, *complete_tail;
    uint32_t submit_mask, complete_mask;
    struct io_uring_sqe *submissions;
    struct io_uring_cqe *completions;
} uring;

static void *map(size_t size, uint64_t what)
{
    void *mapped =
        mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, uring.fd, (off_t)what);

    if (mapped == MAP_FAILED)
        file_way_refuse("io_uring", errno);
    return mapped;
}

/* A kernel before 6.0 does without the flags. */
static int set_up(struct io_uring_params *params)
{
    *params =
        (struct io_uring_params){.flags = IORING_SETUP_COOP_TASKRUN | IORING_SETUP_SINGLE_ISSUER};
    int fd = (int)syscall(SYS_io_uring_setup, FILE_BATCH_MAX, params);

    if (fd >= 0 || errno != EINVAL)
        return fd;
    *params = (struct io_uring_params){0};
    return (int)syscall(SYS_io_uring_setup, FILE_BATCH_MAX, params);
}

void file_uring_open(struct file_job *job)
{
    struct io_uring_params params;

    (void)job;
    uring.fd = set_up(&params);
    if (uring.fd < 0)
        file_way_refuse("io_uring", errno);
    uint8_t *submit =
        map(params.sq_off.array + params.sq_entries * sizeof(uint32_t), IORING_OFF_SQ_RING);
    uint8_t *complete = map(params.cq_off.cqes + params.cq_entries * sizeof(struct io_uring_cqe),
                            IORING_OFF_CQ_RING);
    uring.submissions = map(params.sq_entries * sizeof(struct io_uring_sqe), IORING_OFF_SQES);
    uring.completions = (struct io_uring_cqe *)(complete + params.cq_off.cqes);
    uring.submit_tail = (uint32_t *)(submit + params.sq_off.tail);
    uring.complete_head = (uint32_t *)(complete + params.cq_off.head);
    uring.complete_tail = (uint32_t *)(complete + params.cq_off.tail);
    uring.submit_mask = params.sq_entries - 1;
    uring.complete_mask = params.cq_entries - 1;
    for (uint32_t i = 0; i < params.sq_entries; i++)
        ((uint32_t *)(submit + params.sq_off.array))[i] = i;
}

static void submit(const struct file_job *job)
{
    uint32_t tail = *uring.submit_tail;

    for (uint64_t i = 0; i < job->batch; i++)
        uring.submissions[tail++ & uring.submit_mask] = (struct io_uring_sqe){
            .opcode = job->is_writing ? IORING_OP_WRITE : IORING_OP_READ,
            .fd = job->file,
            .addr = (uintptr_t)(job->buffer + i * job->block),
            .len = (uint32_t)job->block,
            .off = (uint64_t)job->places[i],
        };
    __atomic_store_n(uring.submit_tail, tail, __ATOMIC_RELEASE);
    if (syscall(SYS_io_uring_enter, uring.fd, job->batch, job->batch, IORING_ENTER_GETEVENTS, NULL,
                0) != (long)job->batch)
        file_way_refuse("io_uring_enter", errno);
}

void file_uring_move(struct file_job *job)
{
    submit(job);
    uint32_t head = *uring.complete_head;
    uint32_t tail = __atomic_load_n(uring.complete_tail, __ATOMIC_ACQUIRE);

    if (tail - head != job->batch)
        die("%u of %u commands have ended", tail - head, (unsigned)job->batch);
    for (; head != tail; head++) {
        int32_t length = uring.completions[head & uring.complete_mask].res;

        if (length != (int32_t)job->block)
            die("the file: %s", strerror(-length));
    }
    __atomic_store_n(uring.complete_head, head, __ATOMIC_RELEASE);
}
