/* How a task's data moves: between the transport and the medium or a parameter list. A command's
 * run function chooses one of them. */
#pragma once

#include "target/scsi/task.h"

struct scsi_lun;

struct scsi_data {
    enum scsi_next next; /* SCSI_DATA_IN or SCSI_DATA_OUT */
    /* As scsi_put, scsi_get and scsi_span; NULL: never asked. */
    bool (*put)(struct scsi_task *task, uint64_t offset, const uint8_t *bytes, size_t length);
    bool (*get)(struct scsi_task *task, uint64_t offset, uint8_t *bytes, size_t length);
    bool (*span)(struct scsi_task *task, uint64_t offset, size_t length, struct span *span);
};

enum { DATA_LIST_MAXIMUM = 1024 * 1024 };

/* Data-in from a parameter list of `size` bytes, zeroed, that the caller fills; at most
 * `allocation_length` of it are transferred. */
uint8_t *data_answer(struct scsi_task *task, size_t size, uint64_t allocation_length);

/* Data-out into task->parameters (`size` bytes, at most DATA_LIST_MAXIMUM); task->received
 * tells how much of it came. `after` runs then. */
void data_collect(struct scsi_task *task, size_t size, scsi_step *after);

/* Data-in from, data-out to the medium at task->offset, task->length bytes. Writes go in whole
 * logical blocks; those of a forced task reach stable storage before its status. */
void data_read(struct scsi_task *task);
void data_write(struct scsi_task *task);

/* Memory of the logical unit for that. */
void data_free_blocks(struct scsi_lun *lun);

/* Likewise; task->checksum is the CRC32C of the whole blocks that came. */
void data_write_with_checksum(struct scsi_task *task);

/* Data-out that is compared with the medium at task->offset, task->length bytes: SCSI_MISCOMPARE.
 */
void data_compare(struct scsi_task *task);

/* FUA in the CDB of an atomic or plain write of more than six bytes, or no write cache. */
bool forces_unit_access(const struct scsi_task *task);

/* Where two pieces of data differ first, or `length`. */
size_t compare_find_difference(const uint8_t *a, const uint8_t *b, size_t length);
/* SCSI_MISCOMPARE, with the offset in the information field. */
uint32_t compare_result(struct scsi_task *task, uint64_t offset);
