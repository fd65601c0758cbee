/* WRITE USING TOKEN, SBC-3 5.49: the data that a token stands for, or zeros, goes to ranges of
 * blocks. */
#include "target/base/bytes.h"
#include "target/base/memory.h"
#include "target/scsi/copy_list.h"
#include "target/scsi/offload.h"
#include "target/scsi/runs.h"
#include "target/scsi/step.h"

#include <errno.h>
#include <string.h>
#include <time.h>

static uint32_t fail_write(struct scsi_task *task, uint32_t result)
{
    (void)task;
    return result;
}

static void on_used(struct errand *errand)
{
    uint32_t result = errand->request.error ? SCSI_TOKEN_REVOKED : SCSI_GOOD;

    copy_resume(errand->task->copy, result);
}

/* What was read is what the token stands for if the token is still there. */
static uint32_t confirm(struct scsi_task *task)
{
    return errand_send(task, TOKEN_USE, copy_token(task->copy), on_used);
}

/* DEL_TKN: nobody waits for it. */
static void delete_token(struct scsi_task *task)
{
    enum { DEL_TKN = 0x02 };

    if (task->parameters[2] & DEL_TKN)
        errand_send_off(task->nexus->lun->peers, TOKEN_DELETE, copy_token(task->copy));
}

static const struct copy_rules write_rules = {
    .fail = fail_write, .confirm = confirm, .finished = delete_token, .may_end_early = true};
static const struct copy_rules zero_rules = {.fail = fail_write, .may_end_early = true};

/* Walks the ranges of a token from an offset on, in bytes. */
struct walk {
    const struct token *token;
    unsigned range;
    uint64_t position; /* in the range */
};

static void skip(struct walk *walk, uint64_t length)
{
    walk->position += length;
    while (walk->range < walk->token->range_count) {
        uint64_t size = walk->token->ranges[walk->range].blocks * walk->token->block_size;

        if (walk->position < size)
            return;
        walk->position -= size;
        walk->range++;
    }
}

/* The next piece of the token's data that lies together, at most `length`; 0: there is none. */
static uint64_t next_run(const struct walk *walk, uint64_t length, uint64_t *from)
{
    if (walk->range == walk->token->range_count)
        return 0;
    struct extent range = walk->token->ranges[walk->range];
    uint64_t rest = range.blocks * walk->token->block_size - walk->position;

    *from = range.lba * walk->token->block_size + walk->position;
    return rest < length ? rest : length;
}

static bool overwrites_itself(const struct copy_segment *segment, const struct token *token)
{
    for (unsigned i = 0; i < token->range_count; i++) {
        uint64_t start = token->ranges[i].lba * token->block_size;
        uint64_t end = start + token->ranges[i].blocks * token->block_size;

        if (segment->to < end && start < segment->to + segment->length)
            return true;
    }
    return false;
}

/* `token` NULL: zeros. */
static uint32_t add_range(struct scsi_task *task, struct copy_segment *segment, struct extent range,
                          struct walk *walk)
{
    uint64_t block = task->nexus->lun->block_size, rest = range.blocks * block;
    uint32_t result = SCSI_GOOD;

    segment->to = range.lba * block;
    segment->length = rest;
    if (walk && segment->source == segment->destination && overwrites_itself(segment, walk->token))
        return SCSI_TOKEN_UNUSABLE;
    while (rest && !result) {
        segment->length = walk ? next_run(walk, rest, &segment->from) : rest;
        if (segment->length == 0)
            return result_in_list(task, 8, WHOLE_BYTE); /* more than the token stands for */
        result = copy_add_segment(task->copy, segment);
        if (walk)
            skip(walk, segment->length);
        segment->to += segment->length;
        rest -= segment->length;
    }
    return result;
}

/* The segments of the copy; `token` NULL: zeros. */
static uint32_t plan(struct scsi_task *task, const struct token *token)
{
    struct extent ranges[COPY_RANGES_MAXIMUM];
    struct copy_segment segment = {.source = COPY_ZEROS};
    struct walk walk = {.token = token};
    unsigned count, place;
    uint32_t result = offload_take_ranges(task, WRITE_USING_HEADER, ranges, &count);
    uint64_t offset = get_be64(task->parameters + 8);

    copy_add_place(task->copy, NULL, NULL, &place);
    segment.destination = (int)place;
    if (token && !result) {
        result =
            copy_add_place(task->copy, token->naa, NULL, &place) ? SCSI_TOKEN_UNUSABLE : SCSI_GOOD;
        segment.source = (int)place;
        if (offset > COPY_TOKEN_MAXIMUM / task->nexus->lun->block_size)
            result = result_in_list(task, 8, WHOLE_BYTE);
        else
            skip(&walk, offset * task->nexus->lun->block_size);
    }
    for (unsigned i = 0; i < count && !result; i++)
        result = add_range(task, &segment, ranges[i], token ? &walk : NULL);
    return result;
}

/* Whether what was kept is the token that was sent, and still good. */
static uint32_t check_kept(const struct token_request *request, const struct token *sent,
                           struct token *kept)
{
    int64_t now = time(NULL);

    if (request->error == -ESTALE)
        return SCSI_TOKEN_REVOKED;
    if (request->error == -ENODATA)
        return SCSI_TOKEN_DELETED;
    if (request->error || !token_decode(kept, request->text))
        return SCSI_TOKEN_UNKNOWN;
    if (memcmp(kept->bytes, sent->bytes, TOKEN_SIZE) != 0)
        return SCSI_TOKEN_CORRUPT;
    if (now > request->used_s + kept->inactivity_s || now > kept->created_s + TOKEN_LIFETIME)
        return SCSI_TOKEN_EXPIRED;
    return SCSI_GOOD;
}

static void on_fetched(struct errand *errand)
{
    struct scsi_task *task = errand->task;
    struct token *token = copy_token(task->copy);
    uint32_t result = check_kept(&errand->request, &errand->token, token);

    if (!result)
        result = plan(task, token);
    step_resume(task, result ? copy_end(task->copy, result) : copy_run(task->copy, &write_rules));
}

static uint32_t write_zeros(struct scsi_task *task)
{
    uint32_t result = plan(task, NULL);

    return result ? copy_end(task->copy, result) : copy_run(task->copy, &zero_rules);
}

static uint32_t write_using(struct scsi_task *task)
{
    struct extent ranges[COPY_RANGES_MAXIMUM];
    struct copy_record *record;
    struct token token = {0};
    unsigned count;
    uint32_t result = offload_take_ranges(task, WRITE_USING_HEADER, ranges, &count);

    if (!result)
        result = copy_record_new(task, offload_list_identifier(task), &record);
    if (result)
        return result;
    copy_new(task, record);
    memcpy(token.bytes, task->parameters + 16, TOKEN_SIZE);
    if (get_be32(token.bytes) == (uint32_t)TOKEN_ZEROS)
        return write_zeros(task);
    result = token_read(&token);
    if (!result && !task->nexus->lun->peers)
        result = SCSI_TOKEN_UNKNOWN;
    return result ? copy_end(task->copy, result)
                  : errand_send(task, TOKEN_FETCH, &token, on_fetched);
}

uint32_t run_write_using_token(struct scsi_task *task)
{
    return offload_collect(task, WRITE_USING_HEADER, write_using);
}
