/* Ranges of logical blocks as CDBs name them. */
#pragma once

#include "target/scsi/task.h"

struct extent {
    uint64_t lba, blocks;
};

/* The range of a READ, WRITE, VERIFY or WRITE SAME of 6, 10, 12 or 16 bytes, SBC-3 5. */
struct extent extent_from_cdb(const uint8_t *cdb);

/* Sets the task's place on the medium; SCSI_LBA_OUT_OF_RANGE if the logical unit does not hold all
 * of it. */
uint32_t extent_take(struct scsi_task *task, struct extent extent);

/* Likewise, and 05/24/00 if it is more than one command may transfer. */
uint32_t extent_take_transfer(struct scsi_task *task, struct extent extent);

/* Bytes of one READ or WRITE: the most, and what is best; VPD page B0h tells. */
enum { TRANSFER_MAXIMUM = 32 * 1024 * 1024, TRANSFER_OPTIMUM = 1024 * 1024 };
