/* What fault rules do to commands: whether one strikes a task as it begins, and the tasks that are
 * held, faked or muted since. The port in front, faulty_port.c, asks which they are. */
#pragma once

#include "target/service.h"

enum deed {
    DEED_HOLD, /* not begun */
    DEED_LOSE, /* not begun, and never will be */
    DEED_FAKE, /* answered without being done */
    DEED_MUTE, /* done without being answered */
};

/* A command that a rule has struck and that is not over. */
struct faulty_task {
    struct list link; /* in service.faulty_tasks */
    struct service *service;
    struct task *task;
    const struct fault_rule *rule; /* borrowed; only compared */
    enum deed deed;
    bool is_delayed;                        /* DEED_HOLD: goes on by its timer, not with the rule */
    bool is_done;                           /* DEED_MUTE: out of the inner port */
    const struct scsi_transport *transport; /* DEED_MUTE: the inner port's */
    ev_timer delay;
};

/* PORT_WAIT, or what the rule that strikes makes of it; else as the inner port begins it. */
enum port_next faulty_task_begin(struct task *task);
/* NULL: no rule holds it. */
struct faulty_task *faulty_task_find(const struct task *task);
/* Accepts NULL. */
void faulty_task_forget(struct faulty_task *faulty);
/* Lets a held one go on. */
void faulty_task_begin_late(struct faulty_task *faulty);
/* A muted task has come out of the inner port. */
enum port_next faulty_task_fall_silent(struct task *task);
/* Whether a task management function of the session is to stay without an answer. */
bool faulty_task_loses_answer(struct session *session);
