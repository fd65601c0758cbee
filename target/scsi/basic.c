/* What an initiator asks before it reads anything: TEST UNIT READY, REQUEST SENSE, REPORT LUNS
 * (SPC-4 6), READ CAPACITY (SBC-3 5.15, 5.16). */
#include "target/base/bytes.h"
#include "target/scsi/data.h"
#include "target/scsi/result.h"
#include "target/scsi/runs.h"
#include "target/scsi/step.h"
#include "target/scsi/unit.h"

#include <string.h>

uint32_t run_test_unit_ready(struct scsi_task *task)
{
    (void)task;
    return SCSI_GOOD;
}

uint32_t run_request_sense(struct scsi_task *task)
{
    uint8_t bytes[SENSE_MAXIMUM_SIZE];
    struct sense sense = {.result = SCSI_LUN_NOT_SUPPORTED};
    size_t length;

    if (scsi_lun_is_there(task->lun)) {
        sense.result = attention_take(task->nexus);
        if (!sense.result) {
            sense.result = medium_not_ready(task);
            sense.field = task->field;
        }
    }

    if (!sense.result && mode_has_test_sense(&task->nexus->lun->mode))
        sense.result = SCSI_FAILURE_PREDICTED_ON_REQUEST;
    length = sense_encode(bytes, &sense, task->cdb[1] & 0x01);
    memcpy(data_answer(task, length, task->cdb[4]), bytes, length);
    return SCSI_GOOD;
}

uint32_t run_read_capacity10(struct scsi_task *task)
{
    const struct scsi_lun *lun = task->nexus->lun;
    uint8_t *bytes = data_answer(task, 8, 8);

    put_be32(bytes, lun->blocks > UINT32_MAX ? UINT32_MAX : (uint32_t)(lun->blocks - 1));
    put_be32(bytes + 4, lun->block_size);
    return SCSI_GOOD;
}

uint32_t run_read_capacity16(struct scsi_task *task)
{
    enum { LBPME = 0x80, LBPRZ = 0x40 };
    const struct scsi_lun *lun = task->nexus->lun;
    uint8_t *bytes = data_answer(task, 32, get_be32(task->cdb + 10));

    put_be64(bytes, lun->blocks - 1);
    put_be32(bytes + 8, lun->block_size);
    bytes[13] = (uint8_t)__builtin_ctz(lun->physical_block_size / lun->block_size);
    bytes[14] = lun->is_thin ? LBPME | LBPRZ : 0;
    return SCSI_GOOD;
}

uint32_t run_report_luns(struct scsi_task *task)
{
    uint8_t report = task->cdb[2];
    uint32_t allocation_length = get_be32(task->cdb + 6);
    size_t count = report == 0x01 ? 0 : 1; /* 01h: well known logical units, there is none */

    if (report > 0x02)
        return result_in_cdb(task, 2, 7);
    put_be32(data_answer(task, 8 + 8 * count, allocation_length), (uint32_t)(8 * count));
    return SCSI_GOOD;
}
