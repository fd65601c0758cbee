/* Task management, SAM-5 7: which tasks a function ends, and when all of them have ended. */
#include "target/base/memory.h"
#include "target/scsi/copy_list.h"
#include "target/scsi/result.h"
#include "target/scsi/step.h"
#include "target/scsi/unit.h"

#include <stdlib.h>

/* A function that waits: for the tasks that joined lun->ending up to `until`. */
struct managed {
    uint64_t until;
    scsi_managed *done;
    void *owner; /* borrowed */
    struct list link;
};

void manage_abort_tasks(struct scsi_nexus *nexus, const struct scsi_task *except)
{
    LIST_FOR_EACH_SAFE (link, &nexus->tasks) {
        struct scsi_task *task = container_of(link, struct scsi_task, link);

        if (task != except)
            scsi_abort(task);
    }
}

static void abort_tasks(struct scsi_nexus *nexus)
{
    manage_abort_tasks(nexus, NULL);
}

static void abort_all_tasks(struct scsi_nexus *nexus)
{
    LIST_FOR_EACH (link, &nexus->lun->nexuses)
        abort_tasks(container_of(link, struct scsi_nexus, link));
}

static void clear_task_set(struct scsi_nexus *nexus)
{
    LIST_FOR_EACH (link, &nexus->lun->nexuses) {
        struct scsi_nexus *other = container_of(link, struct scsi_nexus, link);

        if (other != nexus && !list_is_empty(&other->tasks))
            attention_add(other, SCSI_COMMANDS_CLEARED);
    }
    abort_all_tasks(nexus);
}

/* SAM-5 6.3.3: every nexus is told, the one that asked too. */
static void reset(struct scsi_nexus *nexus)
{
    medium_allow_removal(nexus->lun);
    reserve_drop(nexus->lun);
    mode_reset(&nexus->lun->mode);
    LIST_FOR_EACH (link, &nexus->lun->nexuses)
        attention_add(container_of(link, struct scsi_nexus, link), SCSI_RESET);
    abort_all_tasks(nexus);
    LIST_FOR_EACH (link, &nexus->lun->nexuses)
        copy_record_forget(container_of(link, struct scsi_nexus, link));
}

static void (*const functions[])(struct scsi_nexus *nexus) = {
    [SCSI_ABORT_TASK_SET] = abort_tasks,
    [SCSI_CLEAR_TASK_SET] = clear_task_set,
    [SCSI_LUN_RESET] = reset,
    [SCSI_TARGET_RESET] = reset,
};

static struct managed *find_finished(const struct scsi_lun *lun)
{
    struct list *first = list_first(&lun->ending), *link = list_first(&lun->managed);
    struct managed *managed = link ? container_of(link, struct managed, link) : NULL;

    if (!managed ||
        (first && container_of(first, struct scsi_task, link)->ending <= managed->until))
        return NULL;
    return managed;
}

static void tell_finished(struct scsi_lun *lun)
{
    struct managed *managed;

    while ((managed = find_finished(lun))) {
        struct managed copy = *managed;

        list_remove(&managed->link);
        free(managed);
        copy.done(copy.owner, true);
    }
}

void manage_end(struct scsi_task *task)
{
    struct scsi_lun *lun = task->nexus->lun;

    task->transport->on_aborted(task);
    tell_finished(lun);
}

static void wait_in(struct scsi_lun *lun, scsi_managed *done, void *owner)
{
    struct managed *managed = memory_new(sizeof *managed);

    *managed = (struct managed){.until = lun->last_ending, .done = done, .owner = owner};
    list_append(&lun->managed, &managed->link);
}

static void on_ended(void *owner, bool is_done)
{
    struct scsi_task *task = owner;

    (void)is_done;
    if (!step_has_ended(task))
        step_resume(task, SCSI_GOOD);
}

uint32_t manage_wait(struct scsi_task *task)
{
    struct scsi_lun *lun = task->nexus->lun;

    if (list_is_empty(&lun->ending))
        return SCSI_GOOD;
    task->under_way++;
    wait_in(lun, on_ended, task);
    return SCSI_PENDING;
}

void scsi_manage(struct scsi_nexus *nexus, enum scsi_function function,
                 struct scsi_task *referenced, scsi_managed *done, void *owner)
{
    struct scsi_lun *lun = nexus->lun;

    if (function != SCSI_ABORT_TASK) {
        functions[function](nexus);
    } else if (referenced) {
        scsi_abort(referenced);
    } else {
        done(owner, false);
        return;
    }

    wait_in(lun, done, owner);
    tell_finished(lun);
}
