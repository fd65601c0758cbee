/* VERIFY and WRITE AND VERIFY, SBC-3 5.40 and 5.47: the medium is read piece by piece on workers.
 */
#include "target/base/memory.h"
#include "target/scsi/data.h"
#include "target/scsi/extent.h"
#include "target/scsi/result.h"
#include "target/scsi/runs.h"
#include "target/scsi/step.h"
#include "target/scsi/unit.h"

#include <isa-l/crc.h>
#include <stdlib.h>

enum { PIECE = 256 * 1024 };
enum byte_check { CHECK_MEDIUM, CHECK_DATA, CHECK_RESERVED, CHECK_ONE_BLOCK };

static enum byte_check byte_check(const struct scsi_task *task)
{
    return task->cdb[1] >> 1 & 3;
}

/* Reads the next piece into task->scratch; `after` checks it. SCSI_GOOD at the end. */
static uint32_t read_piece(struct scsi_task *task, scsi_step *after)
{
    struct disk_io *io = &task->item.io;
    uint64_t rest = task->length - task->position;

    if (rest == 0)
        return SCSI_GOOD;
    if (!task->scratch)
        task->scratch = memory_new(PIECE);
    io->operation = DISK_READ;
    io->offset = task->offset + task->position;
    io->length = rest < PIECE ? rest : PIECE;
    io->buffer = task->scratch;
    task->then = after;
    return step_start(task);
}

static uint32_t verify_medium(struct scsi_task *task)
{
    if (task->scratch)
        task->position += task->item.io.length;
    return read_piece(task, verify_medium);
}

static uint32_t check_one_block(struct scsi_task *task)
{
    size_t block = task->nexus->lun->block_size;

    for (size_t i = 0; i < task->item.io.length; i += block) {
        size_t same = compare_find_difference(task->scratch + i, task->parameters, block);

        if (same < block)
            return compare_result(task, task->position + i + same);
    }
    task->position += task->item.io.length;
    return read_piece(task, check_one_block);
}

static uint32_t verify_one_block(struct scsi_task *task)
{
    if (task->received < task->parameters_size)
        return SCSI_LIST_LENGTH_ERROR;
    return read_piece(task, check_one_block);
}

uint32_t run_verify(struct scsi_task *task)
{
    struct extent extent = extent_from_cdb(task->cdb);
    bool has_data = byte_check(task) == CHECK_DATA;
    uint32_t result = has_data ? extent_take_transfer(task, extent) : extent_take(task, extent);

    if (result)
        return result;
    switch (byte_check(task)) {
    case CHECK_MEDIUM:
        task->then = verify_medium;
        return SCSI_GOOD;
    case CHECK_DATA:
        data_compare(task);
        return SCSI_GOOD;
    case CHECK_ONE_BLOCK:
        if (task->length)
            data_collect(task, task->nexus->lun->block_size, verify_one_block);
        return SCSI_GOOD;
    default:
        return result_in_cdb(task, 1, 2);
    }
}

static uint32_t add_to_checksum(struct scsi_task *task)
{
    task->position += task->item.io.length;
    task->information =
        crc32_iscsi(task->scratch, (int)task->item.io.length, (unsigned)task->information);
    if (task->position < task->length)
        return read_piece(task, add_to_checksum);
    return task->information == task->checksum || byte_check(task) == CHECK_MEDIUM
               ? SCSI_GOOD
               : SCSI_MISCOMPARE;
}

static uint32_t read_back(struct scsi_task *task)
{
    task->length = task->received - task->received % task->nexus->lun->block_size;
    task->information = 0;
    free(task->scratch); /* of one block, for the puts */
    task->scratch = NULL;
    return read_piece(task, add_to_checksum);
}

static uint32_t flush_and_read_back(struct scsi_task *task)
{
    task->then = read_back;
    return step_flush(task);
}

uint32_t run_write_and_verify(struct scsi_task *task)
{
    uint32_t result = extent_take_transfer(task, extent_from_cdb(task->cdb));

    if (result)
        return result;
    if (byte_check(task) > CHECK_DATA)
        return result_in_cdb(task, 1, 2);
    data_write_with_checksum(task);
    log_count_write(&task->nexus->lun->log, task->length / task->nexus->lun->block_size);
    task->after_data = flush_and_read_back;
    return SCSI_GOOD;
}
