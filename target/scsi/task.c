#include "target/scsi/task.h"

#include "target/scsi/copy.h"
#include "target/scsi/data.h"
#include "target/scsi/result.h"
#include "target/scsi/step.h"
#include "target/scsi/unit.h"

#include <assert.h>
#include <stdlib.h>

/* Whether the command may run: SAM-5 5.14, SPC-2 5.5.1, SPC-4 4.3.3. */
static uint32_t check(struct scsi_task *task)
{
    const struct command_index *index = &task->nexus->lun->commands;
    uint8_t opcode = task->cdb[0];
    const struct scsi_command *command =
        command_find_action(index, opcode, task->cdb[1] & COMMAND_ACTION_BITS);
    unsigned flags = command ? command->flags : 0;
    uint32_t refusal;

    task->command = command;
    if (!scsi_lun_is_there(task->lun) && !(flags & ANSWERS_WITHOUT_LUN))
        return SCSI_LUN_NOT_SUPPORTED;
    if (!(flags & ANSWERS_ALWAYS)) {
        uint32_t attention = attention_take(task->nexus);

        if (attention)
            return attention;
    }
    if (!command)
        return command_find_opcode(index, opcode) ? result_in_cdb(task, 1, 4) : SCSI_INVALID_OPCODE;
    if ((refusal = alua_check(task->nexus, flags)))
        return refusal;
    if (reserve_is_conflict(task))
        return SCSI_RESERVATION_CONFLICT;
    uint32_t not_ready = medium_check(task);
    if (not_ready)
        return not_ready;
    if (flags & WRITES_MEDIUM && task->nexus->lun->is_read_only)
        return SCSI_WRITE_PROTECTED;
    if (flags & WRITES_MEDIUM && task->nexus->lun->mode.is_write_protected)
        return SCSI_SOFTWARE_WRITE_PROTECTED;
    return command_check_cdb(task);
}

static void release(struct scsi_task *task)
{
    list_remove(&task->link);
    copy_free(task->copy);
    task->copy = NULL;
    gate_leave(task);
    sanitize_forget(task);
    free(task->parameters);
    free(task->scratch);
    task->parameters = task->scratch = NULL;
}

static enum scsi_next end(struct scsi_task *task, uint32_t result)
{
    task->status = (uint8_t)(result >> 24);
    task->sense_length = 0;
    if (task->status == SCSI_CHECK_CONDITION >> 24) {
        struct sense sense = {result, task->field, task->has_information, task->information,
                              task->segment};

        task->sense_length =
            (uint8_t)sense_encode(task->sense, &sense, task->nexus->lun->mode.has_descriptor_sense);
    }
    if (!result && task->nexus->lun->mode.has_thresholds && task->command->flags & WRITES_MEDIUM)
        space_check(task);
    if (task->sense_length && task->nexus->lun->mode.queue_error)
        queue_error_begin(task);
    release(task);
    return SCSI_STATUS;
}

/* The one place that moves a task on. */
static enum scsi_next proceed(struct scsi_task *task, uint32_t result)
{
    while (result == SCSI_GOOD) {
        scsi_step *step = task->then;

        if (step) {
            task->then = NULL;
            result = step(task);
        } else if (task->stage == SCSI_BEGINNING && task->data) {
            if (!gate_may_read(task)) {
                result = SCSI_PENDING;
                break;
            }
            task->stage = SCSI_TRANSFERRING;
            return task->data->next;
        } else {
            break;
        }
    }
    task->is_waiting = result == SCSI_PENDING;
    return task->is_waiting ? SCSI_WAIT : end(task, result);
}

static enum scsi_next run(struct scsi_task *task)
{
    uint32_t result = check(task);

    return proceed(task, result ? result : task->command->run(task));
}

enum scsi_next scsi_begin(struct scsi_task *task)
{
    task->transfer_length = 0;
    task->status = task->sense_length = 0;
    task->command = NULL;
    task->data = NULL;
    task->then = task->after_data = NULL;
    task->stage = SCSI_BEGINNING;
    task->is_waiting = task->is_condemned = task->is_ending = task->is_forced =
        task->has_information = false;
    task->field = task->checksum = 0;
    task->offset = task->length = 0;
    task->result = SCSI_GOOD;
    task->under_way = 0;
    task->position = task->received = 0;
    task->parameters = task->scratch = NULL;
    task->parameters_size = task->scratch_length = 0;
    task->copy = NULL;
    task->segment = 0;
    task->lock = NULL;
    task->is_exclusive = false;
    task->item.is_lock = task->item.is_inside = false;
    task->item.io.is_forced = task->item.io.is_atomic = false;
    list_append(&task->nexus->tasks, &task->link);
    if (gate_enter(task))
        return run(task);
    task->is_waiting = true;
    return SCSI_WAIT;
}

void task_start(struct scsi_task *task)
{
    enum scsi_stage stage = task->stage;
    enum scsi_next next;

    task->stage = SCSI_BEGINNING;
    next = stage == SCSI_HELD ? proceed(task, SCSI_GOOD) : run(task);
    if (next != SCSI_WAIT)
        task->transport->on_next(task, next);
}

bool scsi_put(struct scsi_task *task, uint64_t offset, const uint8_t *bytes, size_t length)
{
    assert(task->stage == SCSI_TRANSFERRING && task->data->put);
    task->received += length;
    return task->result || task->data->put(task, offset, bytes, length);
}

bool scsi_get(struct scsi_task *task, uint64_t offset, uint8_t *bytes, size_t length)
{
    assert(task->stage == SCSI_TRANSFERRING && task->data->get);
    return task->data->get(task, offset, bytes, length);
}

bool scsi_has_failed(const struct scsi_task *task)
{
    return task->result != SCSI_GOOD;
}

bool scsi_span(struct scsi_task *task, uint64_t offset, size_t length, struct span *span)
{
    return task->data->span && task->data->span(task, offset, length, span);
}

void scsi_spoil(struct scsi_task *task)
{
    step_keep_result(task, SCSI_DATA_PHASE_ERROR);
}

enum scsi_next scsi_finish(struct scsi_task *task)
{
    task->stage = SCSI_FINISHING;
    task->then = task->after_data;
    if (task->under_way) {
        task->is_waiting = true;
        return SCSI_WAIT;
    }
    return proceed(task, task->result);
}

void scsi_abort(struct scsi_task *task)
{
    struct scsi_lun *lun = task->nexus->lun;

    if (task->is_ending)
        return;
    task->is_ending = true;
    if (task->under_way) {
        list_remove(&task->link);
        task->ending = ++lun->last_ending;
        list_append(&lun->ending, &task->link);
    } else {
        release(task);
        task->transport->on_aborted(task);
    }
}

bool step_has_ended(struct scsi_task *task)
{
    task->under_way--;
    if (!task->is_ending)
        return false;
    if (task->under_way == 0) {
        release(task);
        manage_end(task);
    }
    return true;
}

void step_resume(struct scsi_task *task, uint32_t result)
{
    enum scsi_next next = proceed(task, result);

    if (next != SCSI_WAIT)
        task->transport->on_next(task, next);
}

static void on_submitted(struct order_item *item)
{
    struct scsi_task *task = container_of(item, struct scsi_task, item);

    if (!step_has_ended(task))
        step_resume(task, result_of_io(item->io.error, item->io.operation == DISK_READ));
}

uint32_t step_start(struct scsi_task *task)
{
    task->item.done = on_submitted;
    task->under_way++;
    if (task->lock)
        order_start_locked(&task->nexus->lun->order, &task->item);
    else
        order_start(&task->nexus->lun->order, &task->item);
    return SCSI_PENDING;
}

uint32_t step_submit(struct scsi_task *task)
{
    struct order *order = &task->nexus->lun->order;
    struct disk_io *io = &task->item.io;

    if (task->lock ? order_attempt_locked(order, io) : order_attempt(order, io))
        return result_of_io(io->error, io->operation == DISK_READ);
    return step_start(task);
}

void step_put_done(struct scsi_task *task, uint32_t result, size_t length)
{
    if (step_has_ended(task))
        return;
    step_keep_result(task, result);
    if (!task->is_waiting)
        task->transport->on_put(task, length);
    else if (task->under_way == 0)
        step_resume(task, task->result);
}

uint32_t step_flush(struct scsi_task *task)
{
    task->item.io.operation = DISK_FLUSH;
    return step_submit(task);
}
