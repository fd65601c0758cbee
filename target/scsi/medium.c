/* START STOP UNIT, PREVENT ALLOW MEDIUM REMOVAL and READ DEFECT DATA, SBC-3 5.25, 5.13 and 5.17,
 * 5.18. */
#include "target/scsi/medium.h"

#include "target/base/bytes.h"
#include "target/scsi/data.h"
#include "target/scsi/result.h"
#include "target/scsi/runs.h"
#include "target/scsi/step.h"
#include "target/scsi/unit.h"

uint32_t medium_not_ready(struct scsi_task *task)
{
    uint32_t result = sanitize_check(task);

    return !result && task->nexus->lun->medium.is_ejected ? SCSI_NO_MEDIUM : result;
}

uint32_t medium_check(struct scsi_task *task)
{
    unsigned flags = task->command->flags;
    uint32_t result;

    if (flags & ANSWERS_ALWAYS)
        return SCSI_GOOD;
    result = medium_not_ready(task);
    if (result == SCSI_NO_MEDIUM || result == SCSI_SANITIZE_FAILED || result == SCSI_FORMAT_FAILED)
        return flags & (READS_MEDIUM | WRITES_MEDIUM | NEEDS_MEDIUM) &&
                       !(flags & MENDS_MEDIUM && result != SCSI_NO_MEDIUM)
                   ? result
                   : SCSI_GOOD;
    return result;
}

void medium_allow_removal(struct scsi_lun *lun)
{
    LIST_FOR_EACH (link, &lun->nexuses) {
        container_of(link, struct scsi_nexus, link)->prevents_removal = false;
    }
}

static bool is_removal_prevented(const struct scsi_lun *lun)
{
    LIST_FOR_EACH (link, &lun->nexuses) {
        if (container_of(link, struct scsi_nexus, link)->prevents_removal)
            return true;
    }
    return false;
}

/* Lasts until the nexus allows it, or is lost, or a reset. */
uint32_t run_prevent_allow(struct scsi_task *task)
{
    task->nexus->prevents_removal = task->cdb[4] & 0x01;
    return SCSI_GOOD;
}

enum { START = 0x01, LOEJ = 0x02, NO_FLUSH = 0x04 };

/* The volume is always ready, as on an array: stopping it only empties the cache. */
uint32_t run_start_stop_unit(struct scsi_task *task)
{
    return task->cdb[4] & (START | NO_FLUSH) ? SCSI_GOOD : step_flush(task);
}

static uint32_t eject(struct scsi_task *task)
{
    task->nexus->lun->medium.is_ejected = true;
    return SCSI_GOOD;
}

static uint32_t load(struct scsi_task *task)
{
    struct medium *medium = &task->nexus->lun->medium;

    if (medium->is_ejected)
        attention_add_others(task->nexus, SCSI_MEDIUM_CHANGED);
    medium->is_ejected = false;
    return SCSI_GOOD;
}

/* Power conditions are taken and change nothing. */
uint32_t run_load_or_eject(struct scsi_task *task)
{
    bool has_power_condition = task->cdb[4] & 0xf0;

    if (has_power_condition)
        return SCSI_GOOD;
    if (!(task->cdb[4] & LOEJ))
        return run_start_stop_unit(task);
    if (is_removal_prevented(task->nexus->lun))
        return SCSI_REMOVAL_PREVENTED;
    if (task->cdb[4] & START)
        return load(task);
    task->then = eject;
    return step_flush(task);
}

/* There are no defects: both lists are empty, in every format. */
uint32_t run_read_defect_data(struct scsi_task *task)
{
    enum { LISTS_AND_FORMAT = 0x1f };
    const uint8_t *cdb = task->cdb;
    bool is_ten = cdb[0] >> 5 == 1;
    uint8_t *bytes =
        is_ten ? data_answer(task, 4, get_be16(cdb + 7)) : data_answer(task, 8, get_be32(cdb + 6));

    bytes[1] = cdb[is_ten ? 2 : 1] & LISTS_AND_FORMAT;
    return SCSI_GOOD;
}
