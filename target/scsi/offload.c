#include "target/scsi/offload.h"

#include "target/base/bytes.h"
#include "target/base/memory.h"
#include "target/scsi/data.h"
#include "target/scsi/extent.h"
#include "target/scsi/step.h"

#include <stdlib.h>
#include <string.h>

enum { RANGE_SIZE = 16 };

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
uint32_t offload_take_ranges(struct scsi_task *task, unsigned header, struct extent *ranges,
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

uint32_t offload_list_identifier(const struct scsi_task *task)
{
    return get_be32(task->cdb + 6);
}

uint32_t offload_collect(struct scsi_task *task, unsigned header, scsi_step *after)
{
    uint32_t length = get_be32(task->cdb + 10);

    if (length == 0)
        return SCSI_GOOD;
    if (length < header || length > DATA_LIST_MAXIMUM)
        return SCSI_LIST_LENGTH_ERROR;
    data_collect(task, length, after);
    return SCSI_GOOD;
}

static void on_errand_done(struct token_request *request)
{
    struct errand *errand = container_of(request, struct errand, request);

    if (errand->task && !step_has_ended(errand->task))
        errand->then(errand);
    free(request->text);
    free(errand);
}

static struct errand *new_errand(enum token_operation operation, const struct token *token)
{
    struct errand *errand = memory_new(sizeof *errand);

    errand->request = (struct token_request){
        .operation = operation, .number = token->number, .done = on_errand_done};
    memcpy(errand->request.naa, token->naa, SCSI_NAA_SIZE);
    errand->token = *token;
    return errand;
}

uint32_t errand_send(struct scsi_task *task, enum token_operation operation,
                     const struct token *token, void (*then)(struct errand *errand))
{
    struct scsi_peers *peers = task->nexus->lun->peers;
    struct errand *errand = new_errand(operation, token);

    if (operation == TOKEN_KEEP)
        errand->request.text = token_encode(token);
    errand->task = task;
    errand->then = then;
    task->under_way++;
    peers->keep_token(peers, &errand->request);
    return SCSI_PENDING;
}

void errand_send_off(struct scsi_peers *peers, enum token_operation operation,
                     const struct token *token)
{
    peers->keep_token(peers, &new_errand(operation, token)->request);
}
