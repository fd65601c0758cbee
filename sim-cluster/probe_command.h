/* One command of the probe: built, handed to libiscsi, and its status turned into an outcome. Which
 * statuses a host retries is decided here and nowhere else. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "sim-cluster/probe_session.h"

/* READ(16) or WRITE(16). false: libiscsi would not take it. */
bool probe_command_send(struct probe_session *session, struct probe_io *io);

/* Frees the task, if there is one. */
void probe_command_free_task(struct scsi_task **task);

/* `status` and `task` as libiscsi gives them to a callback; `why` is written for OUTCOME_FAILED. */
enum probe_outcome probe_command_judge(int status, const struct scsi_task *task, char *why,
                                       size_t size);
