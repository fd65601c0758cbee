/* Work on the whole medium that goes on without its command: SANITIZE and FORMAT UNIT. Task
 * management and lost nexuses do not stop it. One at a time; until it ends nearly every command is
 * answered that it is under way. A logical unit that is closed gives it up where it is. */
#pragma once

#include "target/scsi/order.h"

#include <ev.h>

struct scsi_lun;
struct scsi_task;

enum sanitize_state { SANITIZE_IDLE, SANITIZE_RUNNING, SANITIZE_FAILED };

struct sanitize_job {
    bool is_format, can_exit_failure, inverts; /* inverts the pattern between two passes */
    enum disk_operation operation;             /* of each pass */
    unsigned passes;
    double least_s;   /* lasts at least that long */
    uint8_t *pattern; /* taken over; SANITIZE_PIECE bytes; NULL: nothing is written */
};

enum { SANITIZE_PIECE = 1024 * 1024 };

struct sanitize {
    enum sanitize_state state;
    struct sanitize_job job;
    unsigned pass;
    uint64_t position; /* bytes */
    double began;
    bool is_busy, is_stopping; /* a request is under way */
    struct order_item item;
    ev_timer last;          /* until least_s have passed */
    struct scsi_task *task; /* that waits for the end, or NULL */
};

/* With `task` waiting for it unless `is_immediate`: SCSI_PENDING. */
uint32_t sanitize_start(struct scsi_task *task, const struct sanitize_job *job, bool is_immediate);
/* What a command gets while one is under way, or after one that failed. */
uint32_t sanitize_check(struct scsi_task *task);
/* The task has ended. */
void sanitize_forget(struct scsi_task *task);
/* false: nothing is under way any more; true: lun_close_if_idle follows. */
bool sanitize_is_stopping(struct scsi_lun *lun);
