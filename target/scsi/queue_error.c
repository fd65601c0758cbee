/* Queue error management, SPC-4 7.5.8: when a command ends with CHECK CONDITION the others of its
 * task set may have to go. They go from the loop: the transport is within a call for the one that
 * failed.
 */
#include "target/base/loops.h"
#include "target/scsi/result.h"
#include "target/scsi/unit.h"

enum { QERR_ALL = 1, QERR_SAME_NEXUS = 3 };

static void abort_condemned(struct scsi_nexus *nexus)
{
    LIST_FOR_EACH_SAFE (link, &nexus->tasks) {
        struct scsi_task *task = container_of(link, struct scsi_task, link);

        if (task->is_condemned)
            scsi_abort(task);
    }
}

static void on_due(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)loop, (void)events;
    struct scsi_lun *lun = container_of(timer, struct scsi_lun, queue_error);

    LIST_FOR_EACH (link, &lun->nexuses)
        abort_condemned(container_of(link, struct scsi_nexus, link));
}

static bool condemn(struct scsi_nexus *nexus, const struct scsi_task *failed)
{
    bool is_any = false;

    LIST_FOR_EACH (link, &nexus->tasks) {
        struct scsi_task *task = container_of(link, struct scsi_task, link);

        task->is_condemned = task->is_condemned || task != failed;
        is_any = is_any || task->is_condemned;
    }
    return is_any;
}

void queue_error_begin(struct scsi_task *failed)
{
    struct scsi_nexus *nexus = failed->nexus;
    struct scsi_lun *lun = nexus->lun;

    if (lun->mode.queue_error == QERR_SAME_NEXUS)
        condemn(nexus, failed);
    if (lun->mode.queue_error == QERR_ALL) {
        LIST_FOR_EACH (link, &lun->nexuses) {
            struct scsi_nexus *other = container_of(link, struct scsi_nexus, link);

            if (condemn(other, failed) && other != nexus)
                attention_add(other, SCSI_COMMANDS_CLEARED);
        }
    }
    if (!ev_is_active(&lun->queue_error)) {
        ev_timer_init(&lun->queue_error, on_due, 0, 0);
        loop_start_timer(lun->loop, &lun->queue_error);
    }
}

void queue_error_stop(struct scsi_lun *lun)
{
    ev_timer_stop(lun->loop, &lun->queue_error);
}
