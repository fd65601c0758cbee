/* libiscsi's tasks and statuses. */
#include "sim-cluster/probe_command.h"

#include <iscsi/iscsi.h>
#include <iscsi/scsi-lowlevel.h>
#include <stdio.h>

#define ASC(ascq) ((ascq) >> 8)
#define ASC_NOT_READY 0x04

void probe_command_free_task(struct scsi_task **task)
{
    if (*task)
        scsi_free_scsi_task(*task);
    *task = NULL;
}

static enum probe_outcome judge_sense(const struct scsi_sense *sense)
{
    switch (sense->key) {
    case SCSI_SENSE_UNIT_ATTENTION:
        return OUTCOME_AGAIN;
    case SCSI_SENSE_COMMAND_ABORTED:
        return OUTCOME_BUSY;
    case SCSI_SENSE_NOT_READY:
        return ASC(sense->ascq) == ASC_NOT_READY ? OUTCOME_BUSY : OUTCOME_FAILED;
    default:
        return OUTCOME_FAILED;
    }
}

enum probe_outcome probe_command_judge(int status, const struct scsi_task *task, char *why,
                                       size_t size)
{
    enum probe_outcome outcome = OUTCOME_FAILED;

    switch (status) {
    case SCSI_STATUS_GOOD:
        if (task->residual_status == SCSI_RESIDUAL_NO_RESIDUAL)
            return OUTCOME_DONE;
        snprintf(why, size, "GOOD status, but %zu bytes of residual", task->residual);
        return OUTCOME_FAILED;
    case SCSI_STATUS_BUSY:
    case SCSI_STATUS_TASK_SET_FULL:
    case SCSI_STATUS_TASK_ABORTED:
        return OUTCOME_BUSY;
    case SCSI_STATUS_CHECK_CONDITION:
        outcome = judge_sense(&task->sense);
        snprintf(why, size, "%s, %s (%x/%02x/%02x)", scsi_sense_key_str(task->sense.key),
                 scsi_sense_ascq_str(task->sense.ascq), task->sense.key, ASC(task->sense.ascq),
                 task->sense.ascq & 0xff);
        return outcome;
    case SCSI_STATUS_CANCELLED:
    case SCSI_STATUS_ERROR:
    case SCSI_STATUS_TIMEOUT:
        return OUTCOME_LOST;
    default:
        snprintf(why, size, "status 0x%02x", status);
        return OUTCOME_FAILED;
    }
}

/* A lost command stays outstanding: the session finishes it when it takes down the connection. */
static void on_status(struct iscsi_context *iscsi, int status, void *data, void *owner)
{
    struct probe_io *io = owner;
    struct probe_session *session = io->session;
    char why[PROBE_WHY_SIZE] = "";
    enum probe_outcome outcome;

    (void)data;
    if (!io->task || session->state != SESSION_READY)
        return;
    outcome = probe_command_judge(status, io->task, why, sizeof why);
    if (outcome == OUTCOME_LOST) {
        probe_session_decide(session, NEXT_LOSE,
                             status == SCSI_STATUS_CANCELLED ? "the connection was lost"
                                                             : iscsi_get_error(iscsi));
        return;
    }
    session->heard_us = probe_now_us();
    list_remove(&io->link);
    probe_command_free_task(&io->task);
    io->done(io, outcome, why);
}

bool probe_command_send(struct probe_session *session, struct probe_io *io)
{
    uint64_t lba = io->offset / session->block_size;
    int lun = (int)session->options->lun, block = (int)session->block_size;

    if (io->is_write) {
        io->task = iscsi_write16_task(session->iscsi, lun, lba, io->data, io->length, block, 0, 0,
                                      0, 0, 0, on_status, io);
        return io->task;
    }
    io->task = iscsi_read16_task(session->iscsi, lun, lba, io->length, block, 0, 0, 0, 0, 0,
                                 on_status, io);
    return io->task && scsi_task_add_data_in_buffer(io->task, (int)io->length, io->data) == 0;
}
