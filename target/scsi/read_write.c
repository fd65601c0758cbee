/* READ, WRITE and SYNCHRONIZE CACHE, SBC-3 5. */
#include "target/scsi/data.h"
#include "target/scsi/extent.h"
#include "target/scsi/result.h"
#include "target/scsi/runs.h"
#include "target/scsi/step.h"
#include "target/scsi/unit.h"

/* FUA; the six-byte commands have none. */
static bool has_fua(const struct scsi_task *task)
{
    return task->cdb[0] >> 5 != 0 && task->cdb[1] & 0x08;
}

bool forces_unit_access(const struct scsi_task *task)
{
    return has_fua(task) || !task->nexus->lun->mode.has_write_cache;
}

uint32_t run_read(struct scsi_task *task)
{
    uint32_t result = extent_take_transfer(task, extent_from_cdb(task->cdb));

    if (result)
        return result;
    data_read(task);
    log_count_read(&task->nexus->lun->log, task->length / task->nexus->lun->block_size);
    /* SBC-3 4.15: what is newer in the cache goes to the medium first. */
    return has_fua(task) ? step_flush(task) : SCSI_GOOD;
}

uint32_t run_write(struct scsi_task *task)
{
    uint32_t result = extent_take_transfer(task, extent_from_cdb(task->cdb));

    if (result)
        return result;
    task->is_forced = forces_unit_access(task);
    data_write(task);
    log_count_write(&task->nexus->lun->log, task->length / task->nexus->lun->block_size);
    return SCSI_GOOD;
}

/* Flushes the whole volume whatever the range. IMMED: answered at once, and done as soon. */
uint32_t run_synchronize_cache(struct scsi_task *task)
{
    uint32_t result = extent_take(task, extent_from_cdb(task->cdb));

    return result ? result : step_flush(task);
}

/* GOOD without CONDITION MET: not all of it is promised to be in the cache, SBC-3 5.10. */
uint32_t run_prefetch(struct scsi_task *task)
{
    return extent_take(task, extent_from_cdb(task->cdb));
}
