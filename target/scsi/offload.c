/* POPULATE TOKEN and WRITE USING TOKEN, SBC-3 5.7 and 5.49: a token is made of ranges of blocks,
 * and its data is written elsewhere, as Windows copies files (ODX). */
#include "target/base/bytes.h"
#include "target/base/memory.h"
#include "target/scsi/copy.h"
#include "target/scsi/copy_list.h"
#include "target/scsi/data.h"
#include "target/scsi/runs.h"
#include "target/scsi/step.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { RANGE_SIZE = 16, POPULATE_HEADER = 16, WRITE_HEADER = 536 };

/* The list of block device range descriptors behind a header: where it is in the parameter list. */
static uint32_t check_ranges(struct scsi_task *task, unsigned header, unsigned *count)
{
    const uint8_t *list = task->parameters;
    unsigned length_at = header - 2;

    if (task->received < header)
        return SCSI_LIST_LENGTH_ERROR;
    unsigned length = get_be16(list + length_at);
    *count = length / RANGE_SIZE;
    if (get_be16(list) < header - 2 + length)
        return result_in_list(task, 0, WHOLE_BYTE);
    if (length < RANGE_SIZE || length % RANGE_SIZE)
        return result_in_list(task, length_at, WHOLE_BYTE);
    if (*count > COPY_RANGES_MAXIMUM)
        return SCSI_TOO_MANY_SEGMENTS;
    return task->received < header + length ? SCSI_LIST_LENGTH_ERROR : SCSI_GOOD;
}

static bool overlap(struct extent a, struct extent b)
{
    return a.lba < b.lba + b.blocks && b.lba < a.lba + a.blocks;
}

/* Takes the ranges out of the list; they must lie in the logical unit and not overlap. */
static uint32_t take_ranges(struct scsi_task *task, unsigned header, struct extent *ranges,
                            unsigned *count)
{
    uint32_t result = check_ranges(task, header, count);
    uint64_t blocks = 0;

    for (unsigned i = 0; i < *count && !result; i++) {
        const uint8_t *bytes = task->parameters + header + (size_t)RANGE_SIZE * i;

        ranges[i] = (struct extent){get_be64(bytes), get_be32(bytes + 8)};
        result = extent_take(task, ranges[i]);
        blocks += ranges[i].blocks;
        for (unsigned j = 0; j < i && !result; j++)
            if (overlap(ranges[i], ranges[j]))
                result = result_in_list(task, header + RANGE_SIZE * i, WHOLE_BYTE);
    }
    if (!result && blocks > COPY_TOKEN_MAXIMUM / task->nexus->lun->block_size)
        result = result_in_list(task, header + 8, WHOLE_BYTE);
    return result;
}

static uint32_t list_identifier(const struct scsi_task *task)
{
    return get_be32(task->cdb + 6);
}

static uint32_t collect(struct scsi_task *task, unsigned header, scsi_step *after)
{
    uint32_t length = get_be32(task->cdb + 10);

    if (length == 0)
        return SCSI_GOOD;
    if (length < header || length > DATA_LIST_MAXIMUM)
        return SCSI_LIST_LENGTH_ERROR;
    data_collect(task, length, after);
    return SCSI_GOOD;
}

/* A request about a token on behalf of a task; it and its text are freed when it is done. */
struct errand {
    struct token_request request;
    struct scsi_task *task;
    struct token token;
    void (*then)(struct errand *errand); /* the task is there and waits */
};

static void on_errand_done(struct token_request *request)
{
    struct errand *errand = container_of(request, struct errand, request);

    if (!step_has_ended(errand->task))
        errand->then(errand);
    free(request->text);
    free(errand);
}

static uint32_t send(struct scsi_task *task, enum token_operation operation,
                     const struct token *token, void (*then)(struct errand *errand))
{
    struct scsi_peers *peers = task->nexus->lun->peers;
    struct errand *errand = memory_new(sizeof *errand);

    errand->request = (struct token_request){
        .operation = operation, .number = token->number, .done = on_errand_done};
    memcpy(errand->request.naa, token->naa, SCSI_NAA_SIZE);
    if (operation == TOKEN_KEEP)
        errand->request.text = token_encode(token);
    errand->task = task;
    errand->token = *token;
    errand->then = then;
    task->under_way++;
    peers->keep_token(peers, &errand->request);
    return SCSI_PENDING;
}

static struct token *token_of(const struct scsi_task *task)
{
    return copy_token(task->copy);
}

static void on_kept(struct errand *errand)
{
    struct scsi_task *task = errand->task;
    int error = errand->request.error;

    step_resume(task, copy_end(task->copy, error ? SCSI_NO_ROOM_FOR_TOKEN : SCSI_GOOD));
}

/* Waits until changes of the data that came before have been made; task->position counts ranges. */
static uint32_t settle_next(struct scsi_task *task)
{
    const struct token *token = token_of(task);

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
    return send(task, TOKEN_KEEP, token, on_kept);
}

static uint32_t check_populate(struct scsi_task *task, struct token *token)
{
    enum { RTV = 0x02 };
    const uint8_t *list = task->parameters;
    uint32_t result = take_ranges(task, POPULATE_HEADER, token->ranges, &token->range_count);
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
        result = copy_record_new(task, list_identifier(task), &record);
    if (result)
        return result;
    memcpy(token.naa, lun->naa, SCSI_NAA_SIZE);
    token_seal(&token, task->nexus);
    copy_new(task, record);
    if (!token_guard_add(&lun->guard, &token))
        return copy_end(task->copy, SCSI_NO_ROOM_FOR_TOKEN);
    for (unsigned i = 0; i < token.range_count; i++)
        blocks += token.ranges[i].blocks;
    copy_set_bytes_done(task->copy, blocks * lun->block_size);
    *token_of(task) = token;
    record->token = memory_new(TOKEN_SIZE);
    memcpy(record->token, token.bytes, TOKEN_SIZE);
    return settle_next(task);
}

uint32_t run_populate_token(struct scsi_task *task)
{
    return collect(task, POPULATE_HEADER, populate);
}

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
    return send(task, TOKEN_USE, token_of(task), on_used);
}

static const struct copy_rules write_rules = {
    .fail = fail_write, .confirm = confirm, .may_end_early = true};
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
    uint32_t result = take_ranges(task, WRITE_HEADER, ranges, &count);
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
    struct token *token = token_of(task);
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
    uint32_t result = take_ranges(task, WRITE_HEADER, ranges, &count);

    if (!result)
        result = copy_record_new(task, list_identifier(task), &record);
    if (result)
        return result;
    copy_new(task, record);
    memcpy(token.bytes, task->parameters + 16, TOKEN_SIZE);
    if (get_be32(token.bytes) == (uint32_t)TOKEN_ZEROS)
        return write_zeros(task);
    result = token_read(&token);
    if (!result && !task->nexus->lun->peers)
        result = SCSI_TOKEN_UNKNOWN;
    return result ? copy_end(task->copy, result) : send(task, TOKEN_FETCH, &token, on_fetched);
}

uint32_t run_write_using_token(struct scsi_task *task)
{
    return collect(task, WRITE_HEADER, write_using);
}
