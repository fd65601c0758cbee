#include "target/scsi/extent.h"

#include "target/base/bytes.h"
#include "target/scsi/result.h"
#include "target/scsi/unit.h"

struct extent extent_from_cdb(const uint8_t *cdb)
{
    switch (cdb[0] >> 5) {
    case 0: /* 6 bytes; no blocks means 256, SBC-3 5.8 */
        return (struct extent){get_be24(cdb + 1) & 0x1fffff, cdb[4] ? cdb[4] : 256};
    case 4: /* 16 */
        return (struct extent){get_be64(cdb + 2), get_be32(cdb + 10)};
    case 5: /* 12 */
        return (struct extent){get_be32(cdb + 2), get_be32(cdb + 6)};
    default: /* 10 */
        return (struct extent){get_be32(cdb + 2), get_be16(cdb + 7)};
    }
}

uint32_t extent_take(struct scsi_task *task, struct extent extent)
{
    const struct scsi_lun *lun = task->nexus->lun;

    if (extent.lba > lun->blocks || extent.blocks > lun->blocks - extent.lba) {
        task->has_information = true;
        task->information = extent.lba > lun->blocks ? extent.lba : lun->blocks;
        return SCSI_LBA_OUT_OF_RANGE;
    }
    task->offset = extent.lba * lun->block_size;
    task->length = extent.blocks * lun->block_size;
    return SCSI_GOOD;
}

uint32_t extent_take_transfer(struct scsi_task *task, struct extent extent)
{
    static const uint8_t length_bytes[] = {4, 7, 7, 0, 10, 6};

    if (extent.blocks > TRANSFER_MAXIMUM / task->nexus->lun->block_size)
        return result_in_cdb(task, length_bytes[task->cdb[0] >> 5], 7);
    return extent_take(task, extent);
}
