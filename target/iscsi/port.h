/* What serves the commands of a session: the seam between iSCSI and SCSI. The session moves bytes
 * and status for commands whose meaning only the port knows. target/scsi/task.h has the same steps
 * in SCSI's own words. */
#pragma once

#include "target/base/span.h"
#include "target/iscsi/pdu.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct session;
struct task;

enum port_next { PORT_DATA_OUT, PORT_DATA_IN, PORT_STATUS, PORT_WAIT };

enum port_function {
    PORT_ABORT_TASK,
    PORT_ABORT_SET,
    PORT_CLEAR_SET,
    PORT_LUN_RESET,
    PORT_TARGET_RESET
};

typedef void port_managed(void *owner, bool is_done);

struct port_operations {
    size_t task_size; /* bytes of the port's own in every task */
    /* Starts the command of a task: sets transfer_length, and with PORT_STATUS status and sense. */
    enum port_next (*begin)(struct task *task);
    /* true: taken; false: task_on_put follows. The bytes are valid during the call only. */
    bool (*put)(struct task *task, uint32_t offset, const uint8_t *bytes, uint32_t length);
    /* true: filled; false: task_on_got follows. */
    bool (*get)(struct task *task, uint32_t offset, uint8_t *bytes, uint32_t length);
    bool (*has_failed)(const struct task *task);
    /* Data-in that can be sent from where it is; to be begun before the next call. */
    bool (*span)(struct task *task, uint32_t offset, uint32_t length, struct span *span);
    /* Data-out was lost or mixed up on its way: the command will fail. */
    void (*spoil)(struct task *task);
    /* All data has passed. PORT_STATUS or PORT_WAIT. */
    enum port_next (*finish)(struct task *task);
    /* task_on_aborted follows, maybe from within the call. */
    void (*abort)(struct task *task);
    /* Ends the affected tasks of every session, then calls done, maybe from within. `task` only for
     * PORT_ABORT_TASK. */
    void (*manage)(struct session *session, enum port_function function, struct task *task,
                   port_managed *done, void *owner);
    bool (*has_lun)(const struct session *session, uint64_t lun);
    /* Whether the task management function that has just come is answered when it is done. */
    bool (*answers_management)(struct session *session);
};

struct session_port {
    const struct port_operations *operations; /* NULL: discovery, no commands */
    void *nexus;                              /* the port's own */
};

/* What the port tells, from the loop. */
void task_on_next(struct task *task, enum port_next next);
void task_on_put(struct task *task, uint32_t length);
void task_on_got(struct task *task);
void task_on_aborted(struct task *task);
