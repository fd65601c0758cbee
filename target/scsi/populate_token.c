/* POPULATE TOKEN, SBC-3 5.7: a token is made that stands for ranges of blocks as they are now. */
#include "target/base/bytes.h"
#include "target/scsi/copy_list.h"
#include "target/scsi/offload.h"
#include "target/scsi/runs.h"
#include "target/scsi/step.h"

#include <string.h>
#include <time.h>

/* The data may have changed while the token was on its way to its keeper. */
static void on_kept(struct errand *errand)
{
    struct scsi_task *task = errand->task;
    struct scsi_lun *lun = task->nexus->lun;
    bool is_in_force = token_guard_has(&lun->guard, &errand->token);

    if (!is_in_force)
        errand_send_off(lun->peers, TOKEN_REVOKE, &errand->token);
    step_resume(task,
                copy_end(task->copy, errand->request.error || !is_in_force ? SCSI_NO_ROOM_FOR_TOKEN
                                                                           : SCSI_GOOD));
}

/* Waits until changes of the data that came before have been made; task->position counts ranges. */
static uint32_t settle_next(struct scsi_task *task)
{
    const struct token *token = copy_token(task->copy);

    while (task->position < token->range_count) {
        struct extent range = token->ranges[task->position++];

        if (range.blocks == 0)
            continue;
        task->item.io = (struct disk_io){.operation = DISK_LOCATE,
                                         .offset = range.lba * token->block_size,
                                         .length = range.blocks * token->block_size};
        task->then = settle_next;
        return step_start(task);
    }
    return errand_send(task, TOKEN_KEEP, token, on_kept);
}

static uint32_t check_populate(struct scsi_task *task, struct token *token)
{
    enum { RTV = 0x02 };
    const uint8_t *list = task->parameters;
    uint32_t result =
        offload_take_ranges(task, POPULATE_HEADER, token->ranges, &token->range_count);
    uint32_t type = result ? 0 : get_be32(list + 8);

    if (result)
        return result;
    token->inactivity_s = get_be32(list + 4);
    if (token->inactivity_s > TOKEN_INACTIVITY_MAXIMUM)
        return result_in_list(task, 4, WHOLE_BYTE);
    if (list[2] & RTV && type != TOKEN_POINT_IN_TIME)
        return result_in_list(task, 8, WHOLE_BYTE);
    if (token->inactivity_s == 0)
        token->inactivity_s = TOKEN_INACTIVITY_DEFAULT;
    return task->nexus->lun->peers ? SCSI_GOOD : SCSI_NO_ROOM_FOR_TOKEN;
}

static uint32_t populate(struct scsi_task *task)
{
    struct scsi_lun *lun = task->nexus->lun;
    struct copy_record *record;
    struct token token = {.created_s = time(NULL), .block_size = lun->block_size};
    uint64_t blocks = 0;
    uint32_t result = check_populate(task, &token);

    if (!result)
        result = copy_record_new(task, offload_list_identifier(task), &record);
    if (result)
        return result;
    memcpy(token.naa, lun->naa, SCSI_NAA_SIZE);
    token_seal(&token, task->nexus);
    copy_new(task, record);
    token_guard_add(&lun->guard, &token);
    for (unsigned i = 0; i < token.range_count; i++)
        blocks += token.ranges[i].blocks;
    copy_set_bytes_done(task->copy, blocks * lun->block_size);
    *copy_token(task->copy) = token;
    return settle_next(task);
}

uint32_t run_populate_token(struct scsi_task *task)
{
    return offload_collect(task, POPULATE_HEADER, populate);
}
