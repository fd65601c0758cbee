/* Data-out that is compared with the medium: VERIFY with BYTCHK 01b, SBC-3 5.40. */
#include "target/base/memory.h"
#include "target/scsi/data.h"
#include "target/scsi/result.h"
#include "target/scsi/step.h"
#include "target/scsi/unit.h"

#include <stdlib.h>
#include <string.h>

/* A piece of data-out; its part of the medium is read behind it. */
struct comparison {
    struct order_item item;
    struct scsi_task *task;
    uint64_t offset; /* of the piece in data-out */
    size_t length;
    uint8_t bytes[];
};

size_t compare_find_difference(const uint8_t *a, const uint8_t *b, size_t length)
{
    size_t i = 0;

    if (memcmp(a, b, length) == 0)
        return length;
    while (a[i] == b[i])
        i++;
    return i;
}

uint32_t compare_result(struct scsi_task *task, uint64_t offset)
{
    task->has_information = true;
    task->information = offset;
    return SCSI_MISCOMPARE;
}

static uint32_t compare(struct comparison *comparison)
{
    uint32_t result = result_of_io(comparison->item.io.error, true);
    size_t length = comparison->length, same;

    if (result || comparison->task->result)
        return result;
    same = compare_find_difference(comparison->bytes, comparison->bytes + length, length);
    return same == length ? SCSI_GOOD : compare_result(comparison->task, comparison->offset + same);
}

static void on_read(struct order_item *item)
{
    struct comparison *comparison = container_of(item, struct comparison, item);
    struct scsi_task *task = comparison->task;
    uint32_t result = compare(comparison);
    size_t length = comparison->length;

    free(comparison);
    step_put_done(task, result, length);
}

static bool put_comparison(struct scsi_task *task, uint64_t offset, const uint8_t *bytes,
                           size_t length)
{
    struct order *order = &task->nexus->lun->order;
    struct comparison *comparison = memory_new(sizeof *comparison + 2 * length);

    memcpy(comparison->bytes, bytes, length);
    comparison->task = task;
    comparison->offset = offset;
    comparison->length = length;
    comparison->item.done = on_read;
    comparison->item.io = (struct disk_io){.operation = DISK_READ,
                                           .offset = task->offset + offset,
                                           .length = length,
                                           .buffer = comparison->bytes + length};
    if (order_attempt(order, &comparison->item.io)) {
        step_keep_result(task, compare(comparison));
        free(comparison);
        return true;
    }
    task->under_way++;
    order_start(order, &comparison->item);
    return false;
}

void data_compare(struct scsi_task *task)
{
    static const struct scsi_data comparison = {SCSI_DATA_OUT, put_comparison, NULL, NULL};

    task->data = &comparison;
    task->transfer_length = task->length;
}
