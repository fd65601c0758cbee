/* SANITIZE and FORMAT UNIT, SBC-3 5.21 and 5.3: what they ask for. */
#include "target/base/bytes.h"
#include "target/base/memory.h"
#include "target/scsi/data.h"
#include "target/scsi/result.h"
#include "target/scsi/runs.h"
#include "target/scsi/unit.h"

#include <string.h>

enum { IMMED = 0x80, AUSE = 0x20, OVERWRITE_HEADER = 4 };
#define OVERWRITE_LEAST_S 6 /* as if it were a medium of its own: long enough to be seen */

static bool is_zero(const uint8_t *bytes, size_t length)
{
    return bytes[0] == 0 && memcmp(bytes, bytes + 1, length - 1) == 0;
}

/* Every logical block begins with the pattern and goes on with it. */
static uint8_t *repeat(const uint8_t *pattern, size_t length, size_t block)
{
    uint8_t *bytes = memory_new(SANITIZE_PIECE);

    for (size_t i = 0; i < SANITIZE_PIECE; i++)
        bytes[i] = pattern[i % block % length];
    return bytes;
}

/* What is wrong with the list is told as a field of the CDB, as hosts and test suites expect of
 * this command. */
static uint32_t overwrite(struct scsi_task *task)
{
    enum { INVERT = 0x80, COUNT = 0x1f };
    const struct scsi_lun *lun = task->nexus->lun;
    const uint8_t *list = task->parameters, *pattern = list + OVERWRITE_HEADER;
    size_t length = get_be16(list + 2);
    struct sanitize_job job = {.operation = DISK_WRITE,
                               .can_exit_failure = task->cdb[1] & AUSE,
                               .inverts = list[0] & INVERT,
                               .passes = list[0] & COUNT,
                               .least_s = OVERWRITE_LEAST_S};

    if (task->received < task->parameters_size || job.passes == 0 || length == 0 ||
        length != task->parameters_size - OVERWRITE_HEADER)
        return result_in_cdb(task, 7, 7);
    if (lun->is_thin && !job.inverts && is_zero(pattern, length))
        job.operation = DISK_DISCARD; /* zeros need no space */
    else
        job.pattern = repeat(pattern, length, lun->block_size);
    return sanitize_start(task, &job, task->cdb[1] & IMMED);
}

uint32_t run_sanitize_overwrite(struct scsi_task *task)
{
    size_t length = get_be16(task->cdb + 7);

    if (length <= OVERWRITE_HEADER || length > OVERWRITE_HEADER + task->nexus->lun->block_size)
        return result_in_cdb(task, 7, 7);
    data_collect(task, length, overwrite);
    return SCSI_GOOD;
}

uint32_t run_sanitize_block_erase(struct scsi_task *task)
{
    const struct sanitize_job job = {
        .operation = DISK_DISCARD, .can_exit_failure = task->cdb[1] & AUSE, .passes = 1};

    return sanitize_start(task, &job, task->cdb[1] & IMMED);
}

/* There is no key to forget: the data goes. */
uint32_t run_sanitize_crypto_erase(struct scsi_task *task)
{
    return run_sanitize_block_erase(task);
}

/* SBC-3 4.11.3: only what was allowed to end unrestricted. */
uint32_t run_sanitize_exit_failure(struct scsi_task *task)
{
    struct sanitize *sanitize = &task->nexus->lun->sanitize;

    if (sanitize->state == SANITIZE_FAILED && !sanitize->job.can_exit_failure)
        return SCSI_SANITIZE_FAILED;
    sanitize->state = SANITIZE_IDLE;
    return SCSI_GOOD;
}

static uint32_t format(struct scsi_task *task, bool is_immediate)
{
    /* What is fully provisioned keeps its space. */
    const struct sanitize_job job = {.is_format = true,
                                     .operation =
                                         task->nexus->lun->is_thin ? DISK_DISCARD : DISK_ZERO,
                                     .passes = 1};

    return sanitize_start(task, &job, is_immediate);
}

/* A header without initialization pattern and without a list of defects. */
static uint32_t format_as_listed(struct scsi_task *task)
{
    enum { PATTERN = 0x08, LIST_IMMED = 0x02 };
    const uint8_t *list = task->parameters;
    bool is_long = task->parameters_size > 4;

    if (task->received < task->parameters_size)
        return SCSI_LIST_LENGTH_ERROR;
    if (list[1] & PATTERN)
        return result_in_list(task, 1, 3);
    if (is_long ? get_be32(list + 4) : get_be16(list + 2))
        return result_in_list(task, is_long ? 4 : 2, WHOLE_BYTE);
    return format(task, list[1] & LIST_IMMED);
}

uint32_t run_format_unit(struct scsi_task *task)
{
    enum { LONGLIST = 0x20, FMTDATA = 0x10 };

    if (!(task->cdb[1] & FMTDATA))
        return format(task, false);
    data_collect(task, task->cdb[1] & LONGLIST ? 8 : 4, format_as_listed);
    return SCSI_GOOD;
}
