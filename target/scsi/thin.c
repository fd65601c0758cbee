/* UNMAP, WRITE SAME and GET LBA STATUS, SBC-3 5.28, 5.49 and 5.4. Unmapped blocks read as zeros. */
#include "target/scsi/thin.h"
#include "target/base/bytes.h"
#include "target/base/memory.h"
#include "target/scsi/data.h"
#include "target/scsi/extent.h"
#include "target/scsi/result.h"
#include "target/scsi/runs.h"
#include "target/scsi/step.h"
#include "target/scsi/unit.h"

#include <string.h>

enum { UNMAP_HEADER = 8, UNMAP_DESCRIPTOR = 16, PIECE = 256 * 1024 };

static struct extent unmap_descriptor(const struct scsi_task *task, uint64_t number)
{
    const uint8_t *bytes = task->parameters + UNMAP_HEADER + UNMAP_DESCRIPTOR * number;

    return (struct extent){get_be64(bytes), get_be32(bytes + 8)};
}

static uint64_t unmap_count(const struct scsi_task *task)
{
    return get_be16(task->parameters + 2) / UNMAP_DESCRIPTOR;
}

/* Discards the next range; task->position counts descriptors. */
static uint32_t unmap_next(struct scsi_task *task)
{
    while (task->position < unmap_count(task)) {
        uint32_t result = extent_take(task, unmap_descriptor(task, task->position++));

        if (result)
            return result;
        if (task->length) {
            task->item.io.operation = DISK_DISCARD;
            task->item.io.offset = task->offset;
            task->item.io.length = task->length;
            task->then = unmap_next;
            return step_submit(task);
        }
    }
    return SCSI_GOOD;
}

/* Nothing is unmapped unless every range is good. */
static uint32_t unmap(struct scsi_task *task)
{
    uint64_t blocks = 0;
    uint32_t result = SCSI_GOOD;

    if (task->received < UNMAP_HEADER ||
        task->received < UNMAP_HEADER + (uint64_t)get_be16(task->parameters + 2))
        return SCSI_LIST_LENGTH_ERROR;
    if (unmap_count(task) > UNMAP_DESCRIPTORS_MAXIMUM)
        return result_in_list(task, 2, WHOLE_BYTE);
    for (uint64_t i = 0; i < unmap_count(task) && !result; i++) {
        result = extent_take(task, unmap_descriptor(task, i));
        blocks += unmap_descriptor(task, i).blocks;
    }
    if (!result && blocks > UINT32_MAX)
        return result_in_list(task, UNMAP_HEADER + 8, WHOLE_BYTE);
    return result ? result : unmap_next(task);
}

uint32_t run_unmap(struct scsi_task *task)
{
    uint16_t length = get_be16(task->cdb + 7);

    if (length)
        data_collect(task, length, unmap);
    return SCSI_GOOD;
}

static bool has_flag(const struct scsi_task *task, uint8_t flag)
{
    return task->cdb[1] & flag;
}

enum { UNMAP = 0x08, NDOB = 0x01 };

/* Without a write cache. */
static uint32_t make_durable(struct scsi_task *task)
{
    return task->nexus->lun->mode.has_write_cache ? SCSI_GOOD : step_flush(task);
}

static uint32_t write_zeros(struct scsi_task *task)
{
    task->item.io.operation = has_flag(task, UNMAP) ? DISK_DISCARD : DISK_ZERO;
    task->item.io.offset = task->offset;
    task->item.io.length = task->length;
    task->then = make_durable;
    return task->length ? step_submit(task) : SCSI_GOOD;
}

static uint32_t write_piece(struct scsi_task *task)
{
    struct disk_io *io = &task->item.io;
    uint64_t rest = task->length - task->position;

    if (rest == 0)
        return make_durable(task);
    io->operation = DISK_WRITE;
    io->is_forced = false;
    io->offset = task->offset + task->position;
    io->length = rest < PIECE ? rest : PIECE;
    io->buffer = task->scratch;
    task->position += io->length;
    task->then = write_piece;
    return step_start(task);
}

static uint32_t write_block(struct scsi_task *task)
{
    size_t block = task->parameters_size;

    if (task->parameters[0] == 0 && memcmp(task->parameters, task->parameters + 1, block - 1) == 0)
        return write_zeros(task);
    task->scratch = memory_new(PIECE);
    for (size_t i = 0; i < PIECE; i += block)
        memcpy(task->scratch + i, task->parameters, block);
    return write_piece(task);
}

uint32_t run_write_same(struct scsi_task *task)
{
    const struct scsi_lun *lun = task->nexus->lun;
    struct extent extent = extent_from_cdb(task->cdb);
    bool is_sixteen = task->cdb[0] >> 5 == 4;

    if (extent.blocks == 0 && extent.lba <= lun->blocks) /* to the end, WSNZ=0 */
        extent.blocks = lun->blocks - extent.lba;
    if (extent_take(task, extent))
        return SCSI_LBA_OUT_OF_RANGE;
    if (task->length > WRITE_SAME_MAXIMUM)
        return result_in_cdb(task, is_sixteen ? 10 : 7, 7);
    if (is_sixteen && has_flag(task, NDOB)) {
        task->then = write_zeros;
        return SCSI_GOOD;
    }
    if (task->expected_out != lun->block_size) /* one block, neither less nor more */
        return SCSI_INVALID_FIELD_IN_CDB;
    data_collect(task, lun->block_size, write_block);
    return SCSI_GOOD;
}

enum { STATUS_HEADER = 8, STATUS_DESCRIPTOR = 16, STATUS_DESCRIPTORS_MAXIMUM = 64 };
enum { MAPPED = 0, DEALLOCATED = 1 };

static scsi_step add_status;

/* Asks for the run of blocks at task->offset + task->position. */
static uint32_t locate_next(struct scsi_task *task)
{
    uint64_t most = (uint64_t)UINT32_MAX * task->nexus->lun->block_size;
    uint64_t rest = task->length - task->position;

    task->item.io.operation = DISK_LOCATE;
    task->item.io.offset = task->offset + task->position;
    task->item.io.length = rest < most ? rest : most;
    task->then = add_status;
    return step_submit(task);
}

/* task->received counts descriptors. A block that is partly data is mapped. */
static uint32_t add_status(struct scsi_task *task)
{
    const struct disk_io *io = &task->item.io;
    uint32_t block = task->nexus->lun->block_size;
    uint64_t whole = io->length / block + (io->is_mapped && io->length % block);
    bool is_mapped = io->is_mapped || whole == 0;
    uint64_t blocks = whole ? whole : 1;
    uint8_t *bytes = task->parameters + STATUS_HEADER + STATUS_DESCRIPTOR * task->received++;

    put_be64(bytes, io->offset / block);
    put_be32(bytes + 8, (uint32_t)blocks);
    bytes[12] = is_mapped ? MAPPED : DEALLOCATED;
    task->position += blocks * block;

    size_t size = STATUS_HEADER + STATUS_DESCRIPTOR * task->received;
    if (task->position < task->length && size + STATUS_DESCRIPTOR <= task->parameters_size)
        return locate_next(task);
    put_be32(task->parameters, (uint32_t)size - 4);
    if (task->transfer_length > size)
        task->transfer_length = size;
    return SCSI_GOOD;
}

uint32_t run_get_lba_status(struct scsi_task *task)
{
    const struct scsi_lun *lun = task->nexus->lun;
    uint64_t lba = get_be64(task->cdb + 2);
    uint32_t allocation_length = get_be32(task->cdb + 10);
    uint32_t most = STATUS_HEADER + STATUS_DESCRIPTOR * STATUS_DESCRIPTORS_MAXIMUM;
    uint32_t least = STATUS_HEADER + STATUS_DESCRIPTOR;
    uint32_t size = allocation_length < least ? least : allocation_length;

    if (lba >= lun->blocks)
        return SCSI_LBA_OUT_OF_RANGE;
    extent_take(task, (struct extent){lba, lun->blocks - lba});
    data_answer(task, size < most ? size : most, allocation_length);
    return locate_next(task);
}
