/* The medium of a logical unit as a whole: whether it is there and ready, and may be taken out. */
#pragma once

#include "target/scsi/task.h"

struct scsi_lun;

struct medium {
    bool is_removable, is_ejected;
};

/* Why the medium is not there or not ready, or SCSI_GOOD; with the progress for the sense data. */
uint32_t medium_not_ready(struct scsi_task *task);
/* Whether that keeps the task's command from running. */
uint32_t medium_check(struct scsi_task *task);

/* What PREVENT ALLOW MEDIUM REMOVAL said is void. */
void medium_allow_removal(struct scsi_lun *lun);
