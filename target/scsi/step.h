/* What the steps of a task use to wait for the medium. */
#pragma once

#include "target/scsi/task.h"

/* Submits task->item.io (operation, offset, length, buffer are set). The result, or SCSI_PENDING:
 * task->then runs when it is done and good. The caller sets task->then before and, with a result at
 * once, goes on by itself. */
uint32_t step_submit(struct scsi_task *task);

/* Likewise, but never on the loop: for one of many pieces. */
uint32_t step_start(struct scsi_task *task);

/* The first result that is not good stays. */
static inline void step_keep_result(struct scsi_task *task, uint32_t result)
{
    if (!task->result)
        task->result = result;
}

/* A put of `length` bytes that was under way is done. From the loop. */
void step_put_done(struct scsi_task *task, uint32_t result, size_t length);

/* Ends the wait: `result` of what was under way. From the loop. */
void step_resume(struct scsi_task *task, uint32_t result);

/* Something of the task was under way and is done; true: the task was being aborted and is gone
 * perhaps. */
bool step_has_ended(struct scsi_task *task);

/* The medium at task->offset, task->length bytes, is the task's alone until it ends; then
 * task->then runs. One range in a task; what the task submits itself is not held up by it. */
uint32_t step_lock(struct scsi_task *task);

/* fdatasync for the whole volume. */
uint32_t step_flush(struct scsi_task *task);
