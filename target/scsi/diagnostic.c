/* SEND DIAGNOSTIC and RECEIVE DIAGNOSTIC RESULTS, SPC-4 6.42 and 6.31. There is nothing to test:
 * every self-test ends well and at once. The one page is the list of the pages. */
#include "target/base/bytes.h"
#include "target/scsi/data.h"
#include "target/scsi/result.h"
#include "target/scsi/runs.h"

enum { SUPPORTED_PAGES = 0x00, HEADER = 4 };

static uint32_t check_list(struct scsi_task *task)
{
    const uint8_t *bytes = task->parameters;

    if (task->received < HEADER || task->received != HEADER + (uint32_t)get_be16(bytes + 2))
        return SCSI_LIST_LENGTH_ERROR;
    if (bytes[0] != SUPPORTED_PAGES)
        return result_in_list(task, 0, WHOLE_BYTE);
    return get_be16(bytes + 2) ? result_in_list(task, 2, WHOLE_BYTE) : SCSI_GOOD;
}

uint32_t run_send_diagnostic(struct scsi_task *task)
{
    enum { PF = 0x10, SELFTEST = 0x04, CODE_SHIFT = 5, RESERVED_CODE = 3, RESERVED_LAST = 7 };
    const uint8_t *cdb = task->cdb;
    unsigned code = cdb[1] >> CODE_SHIFT;
    size_t length = get_be16(cdb + 3);

    if (code == RESERVED_CODE || code == RESERVED_LAST || (code && cdb[1] & SELFTEST))
        return result_in_cdb(task, 1, 7);
    if (length && (code || cdb[1] & SELFTEST))
        return result_in_cdb(task, 3, 7);
    if (length && !(cdb[1] & PF))
        return result_in_cdb(task, 1, 4);
    if (length)
        data_collect(task, length, check_list);
    return SCSI_GOOD;
}

/* With or without PCV: what SEND DIAGNOSTIC asked for last can only have been this page. */
uint32_t run_receive_diagnostic(struct scsi_task *task)
{
    enum { PAGES = 1 };
    const uint8_t *cdb = task->cdb;

    if (cdb[2] != SUPPORTED_PAGES)
        return result_in_cdb(task, 2, 7);
    put_be16(data_answer(task, HEADER + PAGES, get_be16(cdb + 3)) + 2, PAGES);
    return SCSI_GOOD;
}
