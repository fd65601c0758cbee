#include "target/scsi/gate.h"

#include "target/base/loops.h"
#include "target/base/memory.h"
#include "target/scsi/data.h"
#include "target/scsi/result.h"
#include "target/scsi/step.h"
#include "target/scsi/unit.h"

#include <stdlib.h>

struct gate_lock {
    struct order_item item;
    struct scsi_task *task;
    struct list link; /* of gate->locked */
};

static bool is_special(const struct scsi_task *task)
{
    return task->attribute == SCSI_ORDERED || task->attribute == SCSI_HEAD_OF_QUEUE;
}

/* Calls `is_so` for the tasks of all nexuses, with `task`, until it says so of one: that one. */
static struct scsi_task *find_task(const struct scsi_lun *lun,
                                   bool (*is_so)(const struct scsi_task *,
                                                 const struct scsi_task *),
                                   const struct scsi_task *task)
{
    LIST_FOR_EACH (link, &lun->nexuses) {
        const struct scsi_nexus *nexus = container_of(link, struct scsi_nexus, link);

        LIST_FOR_EACH (task_link, &nexus->tasks) {
            struct scsi_task *other = container_of(task_link, struct scsi_task, link);

            if (other != task && is_so(other, task))
                return other;
        }
    }
    return NULL;
}

/* SAM-5 8.6: a simple task waits for older ordered ones, an ordered one for all older ones, both
 * for those at the head of the queue. */
static bool is_in_the_way(const struct scsi_task *other, const struct scsi_task *task)
{
    if (other->attribute == SCSI_HEAD_OF_QUEUE)
        return true;
    return other->number < task->number &&
           (other->attribute == SCSI_ORDERED || task->attribute == SCSI_ORDERED);
}

static bool must_wait(const struct scsi_task *task)
{
    const struct scsi_lun *lun = task->nexus->lun;

    return lun->gate.special && task->attribute != SCSI_HEAD_OF_QUEUE &&
           find_task(lun, is_in_the_way, task);
}

static bool overlaps(const struct scsi_task *a, const struct scsi_task *b)
{
    return a->offset < b->offset + b->length && b->offset < a->offset + a->length;
}

static bool reads_piece_by_piece(const struct scsi_task *task)
{
    return task->stage == SCSI_TRANSFERRING && task->command->flags & READS_MEDIUM &&
           task->data->next == SCSI_DATA_IN;
}

static bool is_reading_of(const struct scsi_task *other, const struct scsi_task *task)
{
    return reads_piece_by_piece(other) && overlaps(other, task);
}

static bool has_range_of(const struct scsi_task *other, const struct scsi_task *task)
{
    return other->is_exclusive && overlaps(other, task);
}

bool gate_enter(struct scsi_task *task)
{
    struct gate *gate = &task->nexus->lun->gate;

    task->number = ++gate->last_task;
    gate->special += is_special(task);
    gate->is_ordering |= task->attribute == SCSI_ORDERED;
    if (!must_wait(task))
        return true;
    task->stage = SCSI_PARKED;
    gate->parked++;
    return false;
}

static void wake_soon(struct scsi_lun *lun)
{
    if (ev_is_active(&lun->gate.wake))
        return;
    ev_timer_set(&lun->gate.wake, 0, 0);
    loop_start_timer(lun->loop, &lun->gate.wake);
}

void gate_leave(struct scsi_task *task)
{
    struct scsi_lun *lun = task->nexus->lun;

    lun->gate.special -= is_special(task);
    lun->gate.parked -= task->stage == SCSI_PARKED || task->stage == SCSI_HELD;
    lun->gate.exclusive -= task->is_exclusive;
    task->is_exclusive = false;
    if (lun->gate.parked || lun->gate.exclusive)
        wake_soon(lun);
    if (!task->lock)
        return;
    order_unlock(&task->lock->item);
    free(task->lock);
    task->lock = NULL;
}

bool gate_may_read(struct scsi_task *task)
{
    struct scsi_lun *lun = task->nexus->lun;

    if (!lun->gate.exclusive || !(task->command->flags & READS_MEDIUM) ||
        task->data->next != SCSI_DATA_IN || !find_task(lun, has_range_of, task))
        return true;
    task->stage = SCSI_HELD;
    lun->gate.parked++;
    return false;
}

static bool can_lock(const struct scsi_task *task)
{
    return task->is_exclusive && !task->lock && !find_task(task->nexus->lun, is_reading_of, task);
}

static bool can_go_on(const struct scsi_task *other, const struct scsi_task *none)
{
    (void)none;
    if (other->stage == SCSI_PARKED)
        return !must_wait(other);
    if (other->stage == SCSI_HELD)
        return !find_task(other->nexus->lun, has_range_of, other);
    return can_lock(other);
}

static bool is_older_and_can_go_on(const struct scsi_task *other, const struct scsi_task *task)
{
    return other->number < task->number && can_go_on(other, NULL);
}

/* The oldest task that waits here and may go on, or NULL. */
static struct scsi_task *find_ready(const struct scsi_lun *lun)
{
    struct scsi_task *ready = find_task(lun, can_go_on, NULL), *older = ready;

    while (older) {
        ready = older;
        older = find_task(lun, is_older_and_can_go_on, ready);
    }
    return ready;
}

static void on_locked(struct order_item *item)
{
    struct gate_lock *lock = container_of(item, struct gate_lock, item);
    struct scsi_lun *lun = lock->task->nexus->lun;

    list_append(&lun->gate.locked, &lock->link);
    wake_soon(lun);
}

/* The reads that began before it have ended; what is on a worker may still be in its way. */
static uint32_t lock(struct scsi_task *task)
{
    task->lock = memory_new(sizeof *task->lock);
    task->lock->task = task;
    task->lock->item.done = on_locked;
    task->lock->item.io.offset = task->offset;
    task->lock->item.io.length = task->length;
    if (order_lock(&task->nexus->lun->order, &task->lock->item))
        return SCSI_GOOD;
    task->under_way++;
    return SCSI_PENDING;
}

static void go_on(struct scsi_task *task)
{
    uint32_t result;

    if (task->stage == SCSI_PARKED || task->stage == SCSI_HELD) {
        task->nexus->lun->gate.parked--;
        task_start(task);
        return;
    }
    result = lock(task);
    if (result == SCSI_GOOD)
        step_resume(task, result);
}

/* What is told may end any task, and with it the last reason for this logical unit: one at a time.
 */
static void on_wake(struct ev_loop *loop, ev_timer *timer, int events)
{
    struct scsi_lun *lun = container_of(timer, struct scsi_lun, gate.wake);
    struct list *link = list_first(&lun->gate.locked);
    struct scsi_task *task;

    (void)loop, (void)events;
    if (link) {
        task = container_of(link, struct gate_lock, link)->task;
        list_remove(link);
        wake_soon(lun);
        if (!step_has_ended(task))
            step_resume(task, SCSI_GOOD);
    } else if ((task = find_ready(lun))) {
        wake_soon(lun);
        go_on(task);
    }
}

uint32_t step_lock(struct scsi_task *task)
{
    struct scsi_lun *lun = task->nexus->lun;

    /* One block is read at once, not piece by piece. */
    if (task->length <= lun->block_size)
        return lock(task);
    task->is_exclusive = true;
    lun->gate.exclusive++;
    return can_lock(task) ? lock(task) : SCSI_PENDING;
}

void gate_open(struct gate *gate)
{
    ev_timer_init(&gate->wake, on_wake, 0, 0);
    list_init(&gate->locked);
}

void gate_close(struct scsi_lun *lun)
{
    ev_timer_stop(lun->loop, &lun->gate.wake);
}
