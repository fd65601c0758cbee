#include "target/scsi/gate.h"

#include "target/base/memory.h"
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

/* SAM-5 8.6: a simple task waits for older ordered ones, an ordered one for all older ones, both
 * for those at the head of the queue. */
static bool is_in_the_way(const struct scsi_task *other, const struct scsi_task *task)
{
    if (other == task)
        return false;
    if (other->attribute == SCSI_HEAD_OF_QUEUE)
        return true;
    return other->number < task->number &&
           (other->attribute == SCSI_ORDERED || task->attribute == SCSI_ORDERED);
}

static bool must_wait(const struct scsi_task *task)
{
    const struct scsi_lun *lun = task->nexus->lun;

    if (!lun->gate.special || task->attribute == SCSI_HEAD_OF_QUEUE)
        return false;
    LIST_FOR_EACH (link, &lun->nexuses) {
        const struct scsi_nexus *nexus = container_of(link, struct scsi_nexus, link);

        LIST_FOR_EACH (task_link, &nexus->tasks)
            if (is_in_the_way(container_of(task_link, struct scsi_task, link), task))
                return true;
    }
    return false;
}

bool gate_enter(struct scsi_task *task)
{
    struct gate *gate = &task->nexus->lun->gate;

    task->number = ++gate->last_task;
    gate->special += is_special(task);
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
    ev_timer_start(lun->loop, &lun->gate.wake);
}

void gate_leave(struct scsi_task *task)
{
    struct scsi_lun *lun = task->nexus->lun;

    lun->gate.special -= is_special(task);
    lun->gate.parked -= task->stage == SCSI_PARKED;
    if (lun->gate.parked)
        wake_soon(lun);
    if (!task->lock)
        return;
    order_unlock(&task->lock->item);
    free(task->lock);
    task->lock = NULL;
}

/* The oldest parked task that may go on, or NULL. */
static struct scsi_task *find_ready(const struct scsi_lun *lun)
{
    struct scsi_task *oldest = NULL;

    LIST_FOR_EACH (link, &lun->nexuses) {
        const struct scsi_nexus *nexus = container_of(link, struct scsi_nexus, link);

        LIST_FOR_EACH (task_link, &nexus->tasks) {
            struct scsi_task *task = container_of(task_link, struct scsi_task, link);

            if (task->stage == SCSI_PARKED && (!oldest || task->number < oldest->number) &&
                !must_wait(task))
                oldest = task;
        }
    }
    return oldest;
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
    } else if (lun->gate.parked && (task = find_ready(lun))) {
        lun->gate.parked--;
        wake_soon(lun);
        task_start(task);
    }
}

static void on_locked(struct order_item *item)
{
    struct gate_lock *lock = container_of(item, struct gate_lock, item);
    struct scsi_lun *lun = lock->task->nexus->lun;

    list_append(&lun->gate.locked, &lock->link);
    wake_soon(lun);
}

uint32_t step_lock(struct scsi_task *task)
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

void gate_open(struct gate *gate)
{
    ev_timer_init(&gate->wake, on_wake, 0, 0);
    list_init(&gate->locked);
}

void gate_close(struct scsi_lun *lun)
{
    ev_timer_stop(lun->loop, &lun->gate.wake);
}
