#include "target/scsi/sanitize.h"

#include "target/base/loops.h"
#include "target/scsi/result.h"
#include "target/scsi/step.h"
#include "target/scsi/unit.h"

#include <stdlib.h>

enum { DISCARD_PIECE = 1024 * 1024 * 1024 };

static uint64_t size_of(const struct scsi_lun *lun)
{
    return lun->blocks * lun->block_size;
}

static struct scsi_lun *lun_of(struct sanitize *sanitize)
{
    return container_of(sanitize, struct scsi_lun, sanitize);
}

static void finish(struct sanitize *sanitize, uint32_t result)
{
    struct scsi_task *task = sanitize->task;

    free(sanitize->job.pattern);
    sanitize->job.pattern = NULL;
    sanitize->task = NULL;
    sanitize->state = result ? SANITIZE_FAILED : SANITIZE_IDLE;
    if (task)
        step_resume(task, result);
}

static void on_last(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)loop, (void)events;
    finish(container_of(timer, struct sanitize, last), SCSI_GOOD);
}

static void finish_in_time(struct sanitize *sanitize)
{
    struct ev_loop *loop = lun_of(sanitize)->loop;
    double rest = sanitize->began + sanitize->job.least_s - loop_now(loop);

    ev_timer_init(&sanitize->last, on_last, rest > 0 ? rest : 0, 0);
    loop_start_timer(loop, &sanitize->last);
}

static void submit(struct sanitize *sanitize)
{
    sanitize->is_busy = true;
    order_start(&lun_of(sanitize)->order, &sanitize->item);
}

static void submit_piece(struct sanitize *sanitize)
{
    const struct sanitize_job *job = &sanitize->job;
    uint64_t rest = size_of(lun_of(sanitize)) - sanitize->position;
    uint64_t most = job->pattern ? SANITIZE_PIECE : DISCARD_PIECE;

    sanitize->item.io.operation = job->operation;
    sanitize->item.io.is_forced = false;
    sanitize->item.io.offset = sanitize->position;
    sanitize->item.io.length = rest < most ? rest : most;
    sanitize->item.io.buffer = job->pattern;
    submit(sanitize);
}

static void begin_pass(struct sanitize *sanitize)
{
    const struct sanitize_job *job = &sanitize->job;

    for (size_t i = 0; sanitize->pass && job->inverts && i < SANITIZE_PIECE; i++)
        job->pattern[i] ^= 0xff;
    sanitize->position = 0;
    submit_piece(sanitize);
}

static void submit_flush(struct sanitize *sanitize)
{
    sanitize->item.io.operation = DISK_FLUSH;
    submit(sanitize);
}

static void go_on(struct sanitize *sanitize)
{
    const struct disk_io *io = &sanitize->item.io;

    if (io->error) {
        finish(sanitize, sanitize->job.is_format ? SCSI_FORMAT_FAILED : SCSI_SANITIZE_FAILED);
    } else if (io->operation == DISK_FLUSH) {
        finish_in_time(sanitize);
    } else {
        sanitize->position += io->length;
        if (sanitize->position < size_of(lun_of(sanitize)))
            submit_piece(sanitize);
        else if (++sanitize->pass < sanitize->job.passes)
            begin_pass(sanitize);
        else
            submit_flush(sanitize);
    }
}

static void on_piece(struct order_item *item)
{
    struct sanitize *sanitize = container_of(item, struct sanitize, item);

    sanitize->is_busy = false;
    if (sanitize->is_stopping)
        lun_close_if_idle(lun_of(sanitize));
    else
        go_on(sanitize);
}

uint32_t sanitize_start(struct scsi_task *task, const struct sanitize_job *job, bool is_immediate)
{
    struct scsi_lun *lun = task->nexus->lun;
    struct sanitize *sanitize = &lun->sanitize;

    *sanitize = (struct sanitize){.state = SANITIZE_RUNNING,
                                  .job = *job,
                                  .began = loop_now(lun->loop),
                                  .item.done = on_piece,
                                  .task = is_immediate ? NULL : task};
    begin_pass(sanitize);
    return is_immediate ? SCSI_GOOD : SCSI_PENDING;
}

/* Of the data, or of the time if that is less; of 65536. */
static uint16_t progress(const struct scsi_lun *lun)
{
    const struct sanitize *sanitize = &lun->sanitize;
    double done = (sanitize->pass + (double)sanitize->position / (double)size_of(lun)) /
                  (sanitize->job.passes + 1);
    double passed = loop_now(lun->loop) - sanitize->began;

    if (passed < done * sanitize->job.least_s)
        done = passed / sanitize->job.least_s;
    return (uint16_t)(done < 1 ? done * UINT16_MAX : UINT16_MAX);
}

uint32_t sanitize_check(struct scsi_task *task)
{
    const struct scsi_lun *lun = task->nexus->lun;
    bool is_format = lun->sanitize.job.is_format;

    switch (lun->sanitize.state) {
    case SANITIZE_RUNNING:
        return result_with_progress(task, is_format ? SCSI_FORMATTING : SCSI_SANITIZING,
                                    progress(lun));
    case SANITIZE_FAILED:
        return is_format ? SCSI_FORMAT_FAILED : SCSI_SANITIZE_FAILED;
    default:
        return SCSI_GOOD;
    }
}

void sanitize_forget(struct scsi_task *task)
{
    struct sanitize *sanitize = &task->nexus->lun->sanitize;

    if (sanitize->task == task)
        sanitize->task = NULL;
}

bool sanitize_is_stopping(struct scsi_lun *lun)
{
    struct sanitize *sanitize = &lun->sanitize;

    ev_timer_stop(lun->loop, &sanitize->last);
    sanitize->is_stopping = sanitize->is_busy;
    if (!sanitize->is_stopping) {
        free(sanitize->job.pattern);
        sanitize->job.pattern = NULL;
    }
    return sanitize->is_stopping;
}
