#include "target/scsi/data.h"

#include "target/base/memory.h"
#include "target/scsi/result.h"
#include "target/scsi/step.h"
#include "target/scsi/unit.h"

#include <assert.h>
#include <isa-l/crc.h>
#include <stdlib.h>
#include <string.h>

static bool get_answer(struct scsi_task *task, uint64_t offset, uint8_t *bytes, size_t length)
{
    assert(offset + length <= task->parameters_size);
    memcpy(bytes, task->parameters + offset, length);
    return true;
}

uint8_t *data_answer(struct scsi_task *task, size_t size, uint64_t allocation_length)
{
    static const struct scsi_data answer = {SCSI_DATA_IN, NULL, get_answer, NULL};

    task->data = &answer;
    task->parameters = memory_new(size);
    task->parameters_size = size;
    task->transfer_length = size < allocation_length ? size : allocation_length;
    return task->parameters;
}

static bool put_list(struct scsi_task *task, uint64_t offset, const uint8_t *bytes, size_t length)
{
    assert(offset + length <= task->parameters_size);
    memcpy(task->parameters + offset, bytes, length);
    return true;
}

void data_collect(struct scsi_task *task, size_t size, scsi_step *after)
{
    static const struct scsi_data list = {SCSI_DATA_OUT, put_list, NULL, NULL};

    assert(size <= DATA_LIST_MAXIMUM);
    task->data = &list;
    task->parameters = memory_new(size);
    task->parameters_size = task->transfer_length = size;
    task->after_data = after;
}

static void on_got(struct order_item *item)
{
    struct scsi_task *task = container_of(item, struct scsi_task, item);

    if (step_has_ended(task))
        return;
    step_keep_result(task, result_of_io(item->io.error, true));
    task->transport->on_got(task);
}

static bool get_medium(struct scsi_task *task, uint64_t offset, uint8_t *bytes, size_t length)
{
    struct order *order = &task->nexus->lun->order;
    struct disk_io *io = &task->item.io;

    assert(offset + length <= task->length);
    io->operation = DISK_READ;
    io->offset = task->offset + offset;
    io->length = length;
    io->buffer = bytes;
    if (order_attempt(order, io)) {
        step_keep_result(task, result_of_io(io->error, true));
        return true;
    }
    task->item.done = on_got;
    task->under_way++;
    order_start(order, &task->item);
    return false;
}

static bool span_medium(struct scsi_task *task, uint64_t offset, size_t length, struct span *span)
{
    return order_span(&task->nexus->lun->order, task->offset + offset, length, span);
}

void data_read(struct scsi_task *task)
{
    static const struct scsi_data read = {SCSI_DATA_IN, NULL, get_medium, span_medium};

    task->data = &read;
    task->transfer_length = task->length;
}

enum { UNUSED_BLOCKS = 16 };

/* A piece of data-out that could not be written on the loop. */
struct put {
    struct order_item item;
    struct scsi_task *task;
    size_t length; /* as the transport counts it: without what was kept before */
    uint8_t bytes[];
};

static void on_put(struct order_item *item)
{
    struct put *put = container_of(item, struct put, item);
    struct scsi_task *task = put->task;
    uint32_t result = result_of_io(item->io.error, false);
    size_t length = put->length;

    free(put);
    step_put_done(task, result, length);
}

/* Writes what was kept and then `bytes` to the medium by a worker; both are whole blocks together.
 */
static void start_put(struct scsi_task *task, uint64_t offset, const uint8_t *bytes, size_t length,
                      size_t put_length)
{
    struct put *put = memory_new(sizeof *put + task->scratch_length + length);

    if (task->scratch_length)
        memcpy(put->bytes, task->scratch, task->scratch_length);
    memcpy(put->bytes + task->scratch_length, bytes, length);
    put->item.io = (struct disk_io){.operation = DISK_WRITE,
                                    .offset = task->offset + offset - task->scratch_length,
                                    .length = task->scratch_length + length,
                                    .is_forced = task->is_forced && length == task->length,
                                    .buffer = put->bytes};
    put->item.done = on_put;
    put->task = task;
    put->length = put_length;
    task->scratch_length = 0;
    task->under_way++;
    order_start(&task->nexus->lun->order, &put->item);
}

/* Writes `length` bytes at once, if it can. */
static bool attempt_put(struct scsi_task *task, uint64_t offset, const uint8_t *bytes,
                        size_t length)
{
    struct disk_io *io = &task->item.io;

    io->operation = DISK_WRITE;
    io->is_forced = false;
    io->offset = task->offset + offset;
    io->length = length;
    io->buffer = (uint8_t *)(uintptr_t)bytes; /* a write does not change it */
    if (!order_attempt(&task->nexus->lun->order, io))
        return false;
    step_keep_result(task, result_of_io(io->error, false));
    return true;
}

/* Memory of one logical block; most large writes arrive in pieces that end within one. */
struct unused_block {
    struct unused_block *next;
};

static uint8_t *take_block(struct scsi_lun *lun)
{
    struct unused_block *block = lun->unused_blocks;

    if (!block)
        return memory_new(lun->block_size);
    lun->unused_blocks = block->next;
    lun->unused_block_count--;
    return (uint8_t *)block;
}

static void give_back_block(struct scsi_lun *lun, uint8_t *bytes)
{
    struct unused_block *block = (struct unused_block *)bytes;

    if (lun->unused_block_count == UNUSED_BLOCKS) {
        free(bytes);
        return;
    }
    block->next = lun->unused_blocks;
    lun->unused_blocks = block;
    lun->unused_block_count++;
}

void data_free_blocks(struct scsi_lun *lun)
{
    while (lun->unused_blocks)
        free(take_block(lun));
}

static void keep(struct scsi_task *task, const uint8_t *bytes, size_t length)
{
    if (!task->scratch && length)
        task->scratch = take_block(task->nexus->lun);
    if (length)
        memcpy(task->scratch + task->scratch_length, bytes, length);
    task->scratch_length += length;
}

static bool put_medium(struct scsi_task *task, uint64_t offset, const uint8_t *bytes, size_t length)
{
    size_t block = task->nexus->lun->block_size, put_length = length;
    size_t missing = task->scratch_length ? block - task->scratch_length : 0;

    /* All of it at once: only this range need reach stable storage, not what others wrote. */
    if (task->is_forced && length == task->length) {
        task->after_data = NULL;
        start_put(task, offset, bytes, length, put_length);
        return false;
    }
    if (length < block - task->scratch_length) {
        keep(task, bytes, length);
        return true;
    }
    size_t whole = missing + (length - missing) / block * block;
    const uint8_t *rest = bytes + whole;

    if (missing) {
        keep(task, bytes, missing);
        if (!attempt_put(task, offset + missing - block, task->scratch, block)) {
            task->scratch_length -= missing; /* goes with the others */
            start_put(task, offset, bytes, whole, put_length);
            keep(task, rest, length - whole);
            return false;
        }
        task->scratch_length = 0;
        give_back_block(task->nexus->lun, task->scratch);
        task->scratch = NULL;
    }
    bool is_done =
        whole == missing || attempt_put(task, offset + missing, bytes + missing, whole - missing);
    if (!is_done)
        start_put(task, offset + missing, bytes + missing, whole - missing, put_length);
    keep(task, rest, length - whole);
    return is_done;
}

void data_write(struct scsi_task *task)
{
    static const struct scsi_data write = {SCSI_DATA_OUT, put_medium, NULL, NULL};

    task->data = &write;
    task->transfer_length = task->length;
    task->after_data = task->is_forced ? step_flush : NULL;
}

/* As put_medium; the checksum is that of the whole blocks. */
static bool put_with_checksum(struct scsi_task *task, uint64_t offset, const uint8_t *bytes,
                              size_t length)
{
    uint64_t all = task->length < task->expected_out ? task->length : task->expected_out;
    uint64_t end = all - all % task->nexus->lun->block_size;
    uint64_t rest = offset < end ? end - offset : 0;

    task->checksum = crc32_iscsi((uint8_t *)(uintptr_t)bytes, (int)(length < rest ? length : rest),
                                 task->checksum);
    return put_medium(task, offset, bytes, length);
}

void data_write_with_checksum(struct scsi_task *task)
{
    static const struct scsi_data write = {SCSI_DATA_OUT, put_with_checksum, NULL, NULL};

    task->data = &write;
    task->transfer_length = task->length;
    task->checksum = 0;
}
