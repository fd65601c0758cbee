/* SPC-2 reservations of the whole logical unit: RESERVE and RELEASE of 6 and 10 bytes, SPC-2 7.16
 * to 7.22. */
#include "target/scsi/result.h"
#include "target/scsi/runs.h"
#include "target/scsi/unit.h"

bool reserve_is_conflict(const struct scsi_nexus *nexus, const struct scsi_command *command)
{
    const struct scsi_nexus *holder = nexus->lun->reserved_by;

    return holder && holder != nexus && !(command->flags & IGNORES_RESERVATION);
}

void reserve_drop(struct scsi_lun *lun)
{
    lun->reserved_by = NULL;
}

void reserve_forget(struct scsi_nexus *nexus)
{
    if (nexus->lun->reserved_by == nexus)
        nexus->lun->reserved_by = NULL;
}

/* Another nexus' reservation was found by the check before. */
uint32_t run_reserve(struct scsi_task *task)
{
    task->nexus->lun->reserved_by = task->nexus;
    return SCSI_GOOD;
}

/* Of a reservation that the nexus does not hold nothing is released, and that is no error. */
uint32_t run_release(struct scsi_task *task)
{
    reserve_forget(task->nexus);
    return SCSI_GOOD;
}
