/* EXTENDED COPY(LID1) and (LID4), SPC-4 6.4 and 6.5: its parameter list becomes the segments of a
 * copy between block devices. */
#include "target/scsi/extended_copy.h"

#include "target/base/bytes.h"
#include "target/scsi/copy.h"
#include "target/scsi/copy_list.h"
#include "target/scsi/data.h"
#include "target/scsi/runs.h"
#include "target/scsi/unit.h"

#include <string.h>

enum { TARGET_SIZE = 32, SEGMENT_SIZE = 28, SEGMENT_BYTES_SIZE = 32, SEGMENT_HEADER = 4 };
enum list_usage { USAGE_HOLD, USAGE_RESERVED, USAGE_DISCARD, USAGE_NONE };

/* A parameter list by its header, SPC-4 tables 104 and 133. Lengths in bytes. */
struct list_header {
    uint32_t id;
    enum list_usage usage;
    unsigned usage_byte, id_byte; /* where they are */
    size_t header, targets, segments, inline_data;
};

/* Both forms of the list: where its fields are. */
static void decode_header1(const uint8_t *list, struct list_header *header)
{
    *header = (struct list_header){
        .id = list[0],
        .usage = list[1] >> 3 & 3,
        .usage_byte = 1,
        .header = 16,
        .targets = get_be16(list + 2),
        .segments = get_be32(list + 8),
        .inline_data = get_be32(list + 12),
    };
}

static void decode_header4(const uint8_t *list, struct list_header *header)
{
    *header = (struct list_header){
        .id = get_be32(list + 20),
        .usage = list[1] >> 3 & 3,
        .usage_byte = 1,
        .id_byte = 20,
        .header = 48,
        .targets = get_be16(list + 42),
        .segments = get_be16(list + 44),
        .inline_data = get_be16(list + 46),
    };
}

static bool is_lid4(const struct scsi_task *task)
{
    return (task->cdb[1] & COMMAND_ACTION_BITS) == ACTION_EXTENDED_COPY4;
}

static size_t header_size(const struct scsi_task *task)
{
    return is_lid4(task) ? 48 : 16;
}

static size_t segment_size(uint8_t type)
{
    return type == SEGMENT_BLOCK_TO_BLOCK ? SEGMENT_SIZE : SEGMENT_BYTES_SIZE;
}

/* How many segment descriptors there are, and whether they are ours. */
static uint32_t check_segments(struct scsi_task *task, const struct list_header *header)
{
    size_t start = header->header + header->targets, end = start + header->segments, count = 0;

    for (size_t at = start; at < end; count++) {
        const uint8_t *bytes = task->parameters + at;

        if (count == COPY_SEGMENTS_MAXIMUM)
            return SCSI_TOO_MANY_SEGMENTS;
        if (end - at < SEGMENT_HEADER)
            return SCSI_LIST_LENGTH_ERROR;
        if (bytes[0] != SEGMENT_BLOCK_TO_BLOCK && bytes[0] != SEGMENT_BLOCK_TO_BLOCK_BYTES)
            return SCSI_UNSUPPORTED_SEGMENT_TYPE;
        if (get_be16(bytes + 2) != segment_size(bytes[0]) - SEGMENT_HEADER)
            return result_in_list(task, (unsigned)at + 2, WHOLE_BYTE);
        if (end - at < segment_size(bytes[0]))
            return SCSI_LIST_LENGTH_ERROR;
        at += segment_size(bytes[0]);
    }
    return SCSI_GOOD;
}

static uint32_t check_targets(const struct scsi_task *task, const struct list_header *header)
{
    if (header->targets % TARGET_SIZE)
        return SCSI_LIST_LENGTH_ERROR;
    if (header->targets / TARGET_SIZE > COPY_SOURCES_MAXIMUM)
        return SCSI_TOO_MANY_TARGETS;
    for (size_t at = 0; at < header->targets; at += TARGET_SIZE)
        if (task->parameters[header->header + at] != TARGET_BY_IDENTIFIER)
            return SCSI_UNSUPPORTED_TARGET_TYPE;
    return SCSI_GOOD;
}

static uint32_t check_list(struct scsi_task *task, const struct list_header *header)
{
    uint32_t result;

    if (header->usage == USAGE_RESERVED)
        return result_in_list(task, header->usage_byte, 4);
    if (header->usage == USAGE_NONE && header->id)
        return result_in_list(task, header->id_byte, WHOLE_BYTE);
    if (header->inline_data)
        return SCSI_INLINE_DATA_TOO_LONG;
    if (header->targets + header->segments > COPY_LIST_MAXIMUM ||
        header->header + header->targets + header->segments > task->received)
        return SCSI_LIST_LENGTH_ERROR;
    result = check_targets(task, header);
    return result ? result : check_segments(task, header);
}

/* The place that a CSCD descriptor ID names, SPC-4 6.4.5.4: by its NAA identifier. */
static uint32_t find_place(struct scsi_task *task, const struct list_header *header, uint16_t id,
                           int *place)
{
    enum { UNIT_NAA = 3, ASSOCIATION_AND_TYPE = 0x3f, DEVICE_TYPE = 0x1f };
    const uint8_t *bytes = task->parameters + header->header + (size_t)TARGET_SIZE * id;
    unsigned number;
    uint32_t result;

    if (id == COPY_THIS_UNIT && is_lid4(task)) {
        result = copy_add_place(task->copy, NULL, NULL, &number);
    } else {
        if (id >= header->targets / TARGET_SIZE)
            return SCSI_COPY_UNREACHABLE_TARGET;
        if (bytes[1] & DEVICE_TYPE)
            return SCSI_COPY_WRONG_DEVICE;
        if ((bytes[5] & ASSOCIATION_AND_TYPE) != UNIT_NAA || bytes[7] != SCSI_NAA_SIZE)
            return SCSI_COPY_NOT_REACHABLE;
        result = copy_add_place(task->copy, bytes + 8, task->nexus->initiator_port, &number);
    }
    *place = (int)number;
    if (result)
        return result;
    uint32_t block = id == COPY_THIS_UNIT ? 0 : get_be24(bytes + 29);
    return block && block != copy_block_size(task->copy, number) ? SCSI_COPY_WRONG_DEVICE
                                                                 : SCSI_GOOD;
}

/* Fills in where the data goes, from a descriptor of type 02h or 0Ah. SPC-4 6.4.6.4 and 6.4.6.9. */
static uint32_t decode_segment(struct scsi_task *task, const uint8_t *bytes,
                               struct copy_segment *segment)
{
    enum { DC = 0x02 };
    uint64_t from_block = copy_block_size(task->copy, (unsigned)segment->source);
    uint64_t to_block = copy_block_size(task->copy, (unsigned)segment->destination);

    /* As large as LBAs may be, bytes must not overflow: copy_add_segment refuses it then. */
    uint64_t from = get_be64(bytes + 12), to = get_be64(bytes + 20);
    if (from > UINT64_MAX / 2 / from_block || to > UINT64_MAX / 2 / to_block)
        return SCSI_LBA_OUT_OF_RANGE;
    segment->from = from * from_block;
    segment->to = to * to_block;
    if (bytes[0] == SEGMENT_BLOCK_TO_BLOCK) {
        segment->length = get_be16(bytes + 10) * (bytes[1] & DC ? to_block : from_block);
        if (segment->length % from_block || segment->length % to_block)
            return SCSI_COPY_INEXACT_SEGMENT;
    } else {
        segment->length = get_be32(bytes + 8);
        segment->from += get_be16(bytes + 28);
        segment->to += get_be16(bytes + 30);
    }
    return SCSI_GOOD;
}

/* A segment that cannot be done, SPC-4 5.16.4.5.5. */
static uint32_t fail(struct scsi_task *task, uint32_t result)
{
    task->segment = (uint32_t)copy_segments_done(task->copy);
    switch (result) {
    case SCSI_WRITE_PROTECTED:
    case SCSI_SOFTWARE_WRITE_PROTECTED:
    case SCSI_SPACE_EXHAUSTED:
        return result;
    case SCSI_LBA_OUT_OF_RANGE:
        return SCSI_COPY_FAILED;
    default:
        return (result >> 16 & 0x0f) == 0x0a ? result : SCSI_COPY_DEVICE_FAILURE;
    }
}

static uint32_t add_segment(struct scsi_task *task, const struct list_header *header,
                            const uint8_t *bytes)
{
    struct copy_segment segment = {0};
    uint32_t result = find_place(task, header, get_be16(bytes + 4), &segment.source);

    if (!result)
        result = find_place(task, header, get_be16(bytes + 6), &segment.destination);
    if (!result)
        result = decode_segment(task, bytes, &segment);
    return result ? result : copy_add_segment(task->copy, &segment);
}

static uint32_t add_segments(struct scsi_task *task, const struct list_header *header)
{
    const uint8_t *bytes = task->parameters + header->header + header->targets;
    const uint8_t *end = bytes + header->segments;
    uint32_t number = 0;

    for (; bytes < end; bytes += segment_size(bytes[0]), number++) {
        uint32_t result = add_segment(task, header, bytes);

        if (!result)
            continue;
        result = fail(task, result);
        task->segment = number;
        return result;
    }
    return SCSI_GOOD;
}

static uint32_t extended_copy(struct scsi_task *task)
{
    static const struct copy_rules rules = {.fail = fail};
    struct copy_record *record = NULL;
    struct list_header header;
    uint32_t result;

    if (task->received < header_size(task))
        return SCSI_LIST_LENGTH_ERROR;
    if (is_lid4(task) && task->parameters[0] != 1) /* PARAMETER LIST FORMAT */
        return result_in_list(task, 0, WHOLE_BYTE);
    (is_lid4(task) ? decode_header4 : decode_header1)(task->parameters, &header);
    result = check_list(task, &header);
    if (!result && header.usage != USAGE_NONE)
        result = copy_record_new(task, header.id, &record);
    if (result)
        return result;
    copy_new(task, record);
    result = add_segments(task, &header);
    return result ? copy_end(task->copy, result) : copy_run(task->copy, &rules);
}

uint32_t run_extended_copy(struct scsi_task *task)
{
    uint32_t length = get_be32(task->cdb + 10);

    if (length == 0)
        return SCSI_GOOD;
    if (length < header_size(task) || length > header_size(task) + COPY_LIST_MAXIMUM)
        return SCSI_LIST_LENGTH_ERROR;
    data_collect(task, length, extended_copy);
    return SCSI_GOOD;
}
