#include "target/scsi/copy_list.h"

#include "target/base/bytes.h"
#include "target/base/memory.h"
#include "target/scsi/copy.h"
#include "target/scsi/data.h"
#include "target/scsi/extended_copy.h"
#include "target/scsi/runs.h"
#include "target/scsi/token.h"

#include <stdlib.h>
#include <string.h>

static struct copy_record *find(const struct scsi_nexus *nexus, uint32_t id)
{
    LIST_FOR_EACH (link, &nexus->copies) {
        struct copy_record *record = container_of(link, struct copy_record, link);

        if (record->id == id)
            return record;
    }
    return NULL;
}

static void forget(struct copy_record *record)
{
    list_remove(&record->link);
    free(record->token);
    free(record);
}

/* The oldest one that has ended makes room. */
static bool make_room(struct scsi_nexus *nexus)
{
    unsigned count = 0;
    struct copy_record *oldest = NULL;

    LIST_FOR_EACH (link, &nexus->copies) {
        struct copy_record *record = container_of(link, struct copy_record, link);

        count++;
        if (!oldest && !record->task)
            oldest = record;
    }
    if (count < COPY_LISTS_MAXIMUM)
        return true;
    if (oldest)
        forget(oldest);
    return oldest;
}

uint32_t copy_record_new(struct scsi_task *task, uint32_t id, struct copy_record **record)
{
    struct copy_record *old = find(task->nexus, id);

    if (old && old->task)
        return SCSI_OPERATION_IN_PROGRESS;
    if (old)
        forget(old);
    if (!make_room(task->nexus))
        return SCSI_OPERATION_IN_PROGRESS;
    *record = memory_new(sizeof **record);
    (*record)->id = id;
    (*record)->action = task->cdb[1] & COMMAND_ACTION_BITS;
    (*record)->status = COPY_IN_PROGRESS;
    (*record)->task = task;
    list_append(&task->nexus->copies, &(*record)->link);
    return SCSI_GOOD;
}

static void take_progress(struct copy_record *record)
{
    if (!record->task || !record->task->copy)
        return;
    record->segments = (uint16_t)copy_segments_done(record->task->copy);
    record->bytes = copy_bytes_done(record->task->copy);
}

void copy_record_end(struct copy_record *record, struct scsi_task *task, uint32_t result)
{
    const struct sense sense = {result, task->field, task->has_information, task->information,
                                task->segment};

    take_progress(record);
    record->task = NULL;
    if (result == SCSI_GOOD && record->action == ACTION_POPULATE_TOKEN) {
        record->token = memory_new(TOKEN_SIZE);
        memcpy(record->token, copy_token(task->copy)->bytes, TOKEN_SIZE);
    }
    if (result == SCSI_PENDING) {
        record->status = COPY_ABORTED;
    } else if (result) {
        record->status = COPY_FAILED;
        record->scsi_status = (uint8_t)(result >> 24);
        record->sense_length =
            sense_encode(record->sense, &sense, task->nexus->lun->mode.has_descriptor_sense);
    } else {
        bool is_partial = task->copy && copy_has_ended_early(task->copy);
        record->status = is_partial ? COPY_COMPLETED_WITH_RESIDUAL : COPY_COMPLETED;
    }
}

void copy_record_forget(struct scsi_nexus *nexus)
{
    LIST_FOR_EACH_SAFE (link, &nexus->copies) {
        struct copy_record *record = container_of(link, struct copy_record, link);

        if (!record->task)
            forget(record);
    }
}

static uint32_t allocation_length(const struct scsi_task *task)
{
    return get_be32(task->cdb + 10);
}

/* RECEIVE COPY STATUS(LID1), SPC-4 6.20: what is told of a copy that has ended is told once. */
uint32_t run_receive_copy_status1(struct scsi_task *task)
{
    enum { SIZE = 12, BYTES = 0, MEGABYTES = 2 };
    struct copy_record *record = find(task->nexus, task->cdb[2]);

    if (!record)
        return result_in_cdb(task, 2, 7);
    uint8_t *bytes = data_answer(task, SIZE, allocation_length(task));
    bool is_large;

    take_progress(record);
    is_large = record->bytes > UINT32_MAX;
    put_be32(bytes, SIZE - 4);
    if (!record->task)
        bytes[4] = record->status == COPY_COMPLETED ? COPY_COMPLETED : COPY_FAILED;
    put_be16(bytes + 5, record->segments);
    bytes[7] = is_large ? MEGABYTES : BYTES;
    put_be32(bytes + 8, (uint32_t)(is_large ? record->bytes >> 20 : record->bytes));
    if (!record->task)
        forget(record);
    return SCSI_GOOD;
}

/* RECEIVE COPY FAILURE DETAILS(LID1), SPC-4 6.18; also told once. */
uint32_t run_receive_copy_failure(struct scsi_task *task)
{
    enum { HEADER = 4, SENSE = 60 };
    struct copy_record *record = find(task->nexus, task->cdb[2]);
    bool has_failed = record && record->sense_length;

    if (!record || record->task)
        return result_in_cdb(task, 2, 7);
    size_t size = has_failed ? SENSE + record->sense_length : HEADER;
    uint8_t *bytes = data_answer(task, size, allocation_length(task));

    put_be32(bytes, (uint32_t)size - HEADER);
    if (has_failed) {
        bytes[56] = record->scsi_status;
        put_be16(bytes + 58, (uint16_t)record->sense_length);
        memcpy(bytes + SENSE, record->sense, record->sense_length);
        forget(record);
    }
    return SCSI_GOOD;
}

/* The part that RECEIVE COPY STATUS(LID4) and RECEIVE ROD TOKEN INFORMATION have in common, SPC-4
 * 6.21 and 6.24; `more` bytes follow the sense data. Returns where they go. */
static uint8_t *put_status(struct scsi_task *task, struct copy_record *record, size_t more)
{
    enum { HEADER = 32, NO_ESTIMATE = 0xfffffffe, BYTES = 0x00, BLOCKS = 0xf1 };
    size_t size = HEADER + record->sense_length + more;
    uint8_t *bytes = data_answer(task, size, allocation_length(task));
    uint32_t block = task->nexus->lun->block_size;

    take_progress(record);
    put_be32(bytes, (uint32_t)size - 4);
    bytes[4] = record->action;
    bytes[5] = (uint8_t)record->status;
    put_be16(bytes + 6, record->segments);
    put_be32(bytes + 8, NO_ESTIMATE);
    bytes[12] = record->scsi_status;
    bytes[13] = bytes[14] = (uint8_t)record->sense_length;
    bytes[15] = more ? BLOCKS : BYTES;
    put_be64(bytes + 16, more ? record->bytes / block : record->bytes);
    put_be16(bytes + 24, record->segments);
    memcpy(bytes + HEADER, record->sense, record->sense_length);
    return bytes + HEADER + record->sense_length;
}

uint32_t run_receive_copy_status4(struct scsi_task *task)
{
    struct copy_record *record = find(task->nexus, get_be32(task->cdb + 2));

    if (!record)
        return result_in_cdb(task, 2, 7);
    put_status(task, record, 0);
    return SCSI_GOOD;
}

/* The record stays for those who did not get the answer. */
uint32_t run_receive_token(struct scsi_task *task)
{
    enum { LENGTH = 4, DESCRIPTOR_ID = 2 };
    struct copy_record *record = find(task->nexus, get_be32(task->cdb + 2));
    size_t length = record && record->token ? DESCRIPTOR_ID + TOKEN_SIZE : 0;

    if (!record ||
        (record->action != ACTION_POPULATE_TOKEN && record->action != ACTION_WRITE_USING_TOKEN))
        return result_in_cdb(task, 2, 7);
    uint8_t *bytes = put_status(task, record, LENGTH + length);
    put_be32(bytes, (uint32_t)length);
    if (length)
        memcpy(bytes + LENGTH + DESCRIPTOR_ID, record->token, TOKEN_SIZE);
    return SCSI_GOOD;
}

/* COPY OPERATION ABORT, SPC-4 6.3: of a copy that has ended there is nothing to abort. */
uint32_t run_copy_abort(struct scsi_task *task)
{
    struct copy_record *record = find(task->nexus, get_be32(task->cdb + 2));

    if (!record || !record->task)
        return result_in_cdb(task, 2, 7);
    copy_stop(record->task->copy);
    return SCSI_GOOD;
}

/* RECEIVE COPY OPERATING PARAMETERS, SPC-4 6.19. */
uint32_t run_receive_copy_parameters(struct scsi_task *task)
{
    enum { HEADER = 44, SNLID = 0x01 };
    static const uint8_t types[] = EXTENDED_COPY_TYPES;
    size_t size = HEADER + sizeof types;
    uint8_t *bytes = data_answer(task, size, allocation_length(task));

    put_be32(bytes, (uint32_t)size - 4);
    bytes[4] = SNLID;
    put_be16(bytes + 8, COPY_SOURCES_MAXIMUM);
    put_be16(bytes + 10, COPY_SEGMENTS_MAXIMUM);
    put_be32(bytes + 12, COPY_LIST_MAXIMUM);
    put_be32(bytes + 16, COPY_SEGMENT_BYTES_MAXIMUM);
    put_be16(bytes + 34, COPY_LISTS_MAXIMUM);
    bytes[36] = COPY_LISTS_MAXIMUM;
    bytes[37] = COPY_GRANULARITY;
    bytes[43] = sizeof types;
    memcpy(bytes + HEADER, types, sizeof types);
    return SCSI_GOOD;
}
