/* Commands that nothing may come between: COMPARE AND WRITE and ORWRITE(16) (SBC-3 5.2 and 5.7),
 * WRITE ATOMIC(16) (SBC-4). All their data comes first; then the range of the medium is theirs
 * alone until they end. */
#include "target/scsi/atomic.h"

#include "target/base/bytes.h"
#include "target/base/memory.h"
#include "target/scsi/data.h"
#include "target/scsi/extent.h"
#include "target/scsi/result.h"
#include "target/scsi/runs.h"
#include "target/scsi/step.h"
#include "target/scsi/unit.h"

/* The whole range at once, from or to `buffer`. */
static uint32_t move(struct scsi_task *task, enum disk_operation operation, uint8_t *buffer)
{
    struct disk_io *io = &task->item.io;

    io->operation = operation;
    io->is_forced = operation == DISK_WRITE && task->is_forced;
    io->offset = task->offset;
    io->length = task->length;
    io->buffer = buffer;
    return step_submit(task);
}

static uint32_t write_parameters(struct scsi_task *task)
{
    return move(task, DISK_WRITE, task->parameters);
}

/* Reads the range into task->scratch; task->then is set. */
static uint32_t read_range(struct scsi_task *task)
{
    task->scratch = memory_new(task->length);
    return move(task, DISK_READ, task->scratch);
}

static uint32_t take(struct scsi_task *task, struct extent extent)
{
    uint32_t result = extent_take(task, extent);

    task->is_forced = forces_unit_access(task);
    if (!result)
        log_count_write(&task->nexus->lun->log, extent.blocks);
    return result;
}

/* Of data that did not come nothing is written. */
static uint32_t lock_for(struct scsi_task *task, scsi_step *then)
{
    if (task->received < task->parameters_size)
        return SCSI_INVALID_FIELD_IN_CDB;
    task->then = then;
    return step_lock(task);
}

static uint32_t compare(struct scsi_task *task)
{
    size_t same = compare_find_difference(task->scratch, task->parameters, task->length);

    if (same < task->length)
        return compare_result(task, same);
    return move(task, DISK_WRITE, task->parameters + task->length);
}

static uint32_t read_to_compare(struct scsi_task *task)
{
    task->then = compare;
    return read_range(task);
}

static uint32_t begin_compare(struct scsi_task *task)
{
    return lock_for(task, read_to_compare);
}

/* Whether so much data comes that this number of blocks is meant: the field holds one byte. */
static bool is_whole(const struct scsi_task *task, uint64_t blocks)
{
    uint32_t each = 2 * task->nexus->lun->block_size;

    return task->expected_out / each == blocks && (blocks == 0 || task->expected_out % each == 0);
}

/* The blocks to compare with, then as many to write. */
uint32_t run_compare_and_write(struct scsi_task *task)
{
    struct extent extent = {get_be64(task->cdb + 2), task->cdb[13]};
    uint32_t result;

    if (extent.blocks > COMPARE_MAXIMUM)
        return result_in_cdb(task, 13, 7);
    result = take(task, extent);
    if (result)
        return result;
    if (!is_whole(task, extent.blocks))
        return result_in_cdb(task, 13, 7);
    if (extent.blocks == 0)
        return SCSI_GOOD;
    data_collect(task, 2 * task->length, begin_compare);
    return SCSI_GOOD;
}

static uint32_t write_atomically(struct scsi_task *task)
{
    task->item.io.is_atomic = true;
    return write_parameters(task);
}

static uint32_t begin_atomic(struct scsi_task *task)
{
    return lock_for(task, write_atomically);
}

/* Whole physical blocks, without an atomic boundary: MAXIMUM ATOMIC BOUNDARY SIZE is zero. */
uint32_t run_write_atomic(struct scsi_task *task)
{
    const struct scsi_lun *lun = task->nexus->lun;
    uint32_t granularity = lun->physical_block_size / lun->block_size;
    struct extent extent = {get_be64(task->cdb + 2), get_be16(task->cdb + 12)};
    uint32_t result;

    result = take(task, extent);
    if (result)
        return result;
    if (task->length > ATOMIC_MAXIMUM || extent.blocks % granularity)
        return result_in_cdb(task, 12, 7);
    if (extent.lba % granularity)
        return result_in_cdb(task, 2, 7);
    if (extent.blocks)
        data_collect(task, task->length, begin_atomic);
    return SCSI_GOOD;
}

static uint32_t combine(struct scsi_task *task)
{
    for (size_t i = 0; i < task->length; i++)
        task->parameters[i] |= task->scratch[i];
    return write_parameters(task);
}

static uint32_t read_to_combine(struct scsi_task *task)
{
    task->then = combine;
    return read_range(task);
}

static uint32_t begin_orwrite(struct scsi_task *task)
{
    return lock_for(task, read_to_combine);
}

uint32_t run_orwrite(struct scsi_task *task)
{
    struct extent extent = extent_from_cdb(task->cdb);
    uint32_t result;

    result = take(task, extent);
    if (result)
        return result;
    if (task->length > ATOMIC_MAXIMUM)
        return result_in_cdb(task, 10, 7);
    if (extent.blocks)
        data_collect(task, task->length, begin_orwrite);
    return SCSI_GOOD;
}
