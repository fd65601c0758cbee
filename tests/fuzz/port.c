/* CDB byte 0: what is next (enum port_next); 1 to 3: transfer length; 4: status; 5: what is done
 * later, what fails. */
#include "tests/fuzz/port.h"

#include "target/base/bytes.h"

#include <assert.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum {
    PUT_LATER = 0x01,
    GET_LATER = 0x02,
    FAILS = 0x04,
    HAS_SPAN = 0x08,
    FINISH_LATER = 0x10,
    ABORT_LATER = 0x20,
};

enum { WORK_MAX = 4096, FILE_SIZE = 1 << 24 };

enum kind { NEXT, PUT, GOT, ABORTED, MANAGED };

static struct work {
    enum kind kind;
    struct task *task;
    uint32_t length;
    port_managed *done;
    void *owner;
} works[WORK_MAX];
static unsigned work_count;

static uint8_t ways(const struct task *task)
{
    return task->cdb[5];
}

static void put_off(struct work work)
{
    assert(work_count < WORK_MAX);
    works[work_count++] = work;
}

static void forget(struct task *task)
{
    unsigned kept = 0;

    for (unsigned i = 0; i < work_count; i++)
        if (works[i].task != task)
            works[kept++] = works[i];
    work_count = kept;
}

static void do_work(const struct work *work)
{
    switch (work->kind) {
    case NEXT:
        work->task->status = work->task->cdb[4];
        task_on_next(work->task, PORT_STATUS);
        break;
    case PUT:
        task_on_put(work->task, work->length);
        break;
    case GOT:
        task_on_got(work->task);
        break;
    case ABORTED:
        task_on_aborted(work->task);
        break;
    case MANAGED:
        work->done(work->owner, true);
        break;
    }
}

void fuzz_port_work(void)
{
    for (unsigned turn = work_count; turn && work_count; turn--) {
        struct work work = works[0];

        memmove(works, works + 1, --work_count * sizeof(*works));
        do_work(&work);
    }
}

static enum port_next begin(struct task *task)
{
    enum port_next next = task->cdb[0] & 3;

    task->transfer_length = get_be24(task->cdb + 1);
    task->status = task->cdb[4];
    if (next == PORT_WAIT)
        put_off((struct work){.kind = NEXT, .task = task});
    return next;
}

static bool put(struct task *task, uint32_t offset, const uint8_t *bytes, uint32_t length)
{
    static uint8_t taken[1 << 20];

    assert((uint64_t)offset + length <= task->wanted);
    memcpy(taken, bytes, length < sizeof(taken) ? length : sizeof(taken)); /* it must be there */
    if (!(ways(task) & PUT_LATER))
        return true;
    put_off((struct work){.kind = PUT, .task = task, .length = length});
    return false;
}

static bool get(struct task *task, uint32_t offset, uint8_t *bytes, uint32_t length)
{
    assert((uint64_t)offset + length <= task->total);
    memset(bytes, 'd', length);
    if (!(ways(task) & GET_LATER))
        return true;
    put_off((struct work){.kind = GOT, .task = task});
    return false;
}

static bool has_failed(const struct task *task)
{
    return ways(task) & FAILS;
}

static bool span(struct task *task, uint32_t offset, uint32_t length, struct span *span)
{
    static struct span_source source = {.descriptor = -1};
    static uint8_t *bytes;

    if (!(ways(task) & HAS_SPAN))
        return false;
    if (source.descriptor < 0) {
        span_source_init(&source, memfd_create("fuzz", 0));
        if (ftruncate(source.descriptor, FILE_SIZE))
            return false;
        bytes = mmap(NULL, FILE_SIZE, PROT_READ, MAP_SHARED, source.descriptor, 0);
    }
    if ((uint64_t)offset + length > FILE_SIZE)
        return false;
    span->source = &source;
    span->bytes = bytes + offset;
    span->offset = offset;
    span->length = length;
    return true;
}

static void spoil(struct task *task)
{
    task->cdb[4] = 2;
}

/* As the real one: what is not written is waited for, and not told any more. */
static enum port_next finish(struct task *task)
{
    forget(task);
    task->status = task->cdb[4];
    if (!(ways(task) & FINISH_LATER))
        return PORT_STATUS;
    put_off((struct work){.kind = NEXT, .task = task});
    return PORT_WAIT;
}

static void abort_task(struct task *task)
{
    forget(task);
    if (ways(task) & ABORT_LATER)
        put_off((struct work){.kind = ABORTED, .task = task});
    else
        task_on_aborted(task);
}

static void manage(struct session *session, enum port_function function, struct task *task,
                   port_managed *done, void *owner)
{
    if (function == PORT_ABORT_TASK)
        abort_task(task);
    else
        session_abort_tasks(session);
    put_off((struct work){.kind = MANAGED, .done = done, .owner = owner});
}

static bool has_lun(const struct session *session, uint64_t lun)
{
    (void)session;
    return !lun;
}

static bool answers_management(struct session *session)
{
    (void)session;
    return true;
}

const struct port_operations fuzz_port = {
    .task_size = 16,
    .begin = begin,
    .put = put,
    .get = get,
    .has_failed = has_failed,
    .span = span,
    .spoil = spoil,
    .finish = finish,
    .abort = abort_task,
    .manage = manage,
    .has_lun = has_lun,
    .answers_management = answers_management,
};
