/* What of a logical unit must outlive the process: kept as one JSON object with a member for each
 * part that has such state (the table in store.c), changed by one command at a time, and safe
 * before that command is answered. Where it is kept, the owner of the logical unit knows. */
#pragma once

#include "target/scsi/task.h"

#include <jansson.h>

typedef void scsi_saved(void *owner, int error);

struct scsi_store {
    /* Keeps `state` (borrowed) instead of what was kept before; `done` comes from the loop, never
     * from within this call, with 0 or -errno: then the old one is still there. One save at a time.
     */
    void (*save)(struct scsi_store *store, json_t *state, scsi_saved *done, void *owner);
    void (*close)(struct scsi_store *store); /* no save is under way */
};

struct scsi_lun;

/* What a change of the persistent state ends with: it is safe, or it is to be taken back. Also
 * called for a task that has been aborted in between. */
typedef void store_settled(struct scsi_task *task, bool is_saved);

/* Runs `change` as soon as no other change is under way. If it says SCSI_GOOD the state is encoded
 * and saved, `settled` is called and task->then runs, or the command fails; with another result
 * nothing is saved and `settled` is not called. The result of the step that calls this. */
uint32_t store_change(struct scsi_task *task, scsi_step *change, store_settled *settled);

/* The state has changed without a command: it is saved soon, and nobody waits for it. */
void store_touch(struct scsi_lun *lun);

/* Takes what was kept, NULL: nothing, into the parts. State that does not outlive a power loss is
 * dropped when it was kept by another `run`. */
void store_load(struct scsi_lun *lun, json_t *state, const char *run);
