/* When a task may go on: by its task attribute and those of the other tasks (SAM-5 8.6), and once
 * the range that it wants for itself is free. */
#pragma once

#include "target/scsi/task.h"

struct scsi_lun;

struct gate {
    ev_timer wake;      /* goes on with what may go on, from the loop */
    struct list locked; /* of struct gate_lock: got their range while others were at work */
    uint64_t last_task; /* serial number */
    unsigned special;   /* tasks in the task set that are not simple */
    unsigned parked;    /* tasks that wait because of it */
    bool is_ordering;   /* there has been an ordered task */
    unsigned exclusive; /* tasks that have a range alone, or wait for that; not beside `parked`: one
                           load of both, when either was just written, waits for all writes */
};

void gate_open(struct gate *gate);
/* No task may be left. */
void gate_close(struct scsi_lun *lun);

/* The task has joined the task set. true: it may go on; false: it is parked, task_start follows. */
bool gate_enter(struct scsi_task *task);
/* The task is to fetch its data from the medium piece by piece. true: it may; false: somebody has
 * or wants the range alone, task_start follows. */
bool gate_may_read(struct scsi_task *task);
/* The task has left the task set; its range is free. */
void gate_leave(struct scsi_task *task);
