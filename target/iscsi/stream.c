#include "target/iscsi/stream.h"

#include "target/base/memory.h"
#include "target/iscsi/digest.h"

#include <stdlib.h>
#include <string.h>

void stream_init(struct stream *stream, const struct stream_user *user, void *owner,
                 struct stream_memory *memory)
{
    *stream = (struct stream){.user = user, .owner = owner, .memory = memory};
}

void stream_memory_free(struct stream_memory *memory)
{
    while (memory->count)
        free(memory->unused[--memory->count]);
}

bool stream_is_inside(const struct stream *stream)
{
    return stream->in_segment || stream->header_length;
}

static uint32_t header_size(const struct stream *stream, const uint8_t *bhs)
{
    return BHS_SIZE + pdu_ahs_length(bhs) + (stream->header_digest ? DIGEST_SIZE : 0);
}

/* Data, padding and digest. */
static uint32_t segment_size(const struct stream *stream)
{
    uint32_t length = stream->pdu.data_length;

    if (!length)
        return 0;
    return length + pdu_padding(length) + (stream->data_digest ? DIGEST_SIZE : 0);
}

static uint8_t *take_memory(struct stream *stream, uint32_t size)
{
    struct stream_memory *memory = stream->memory;

    stream->is_large = memory && size > STREAM_SMALL && size <= STREAM_LARGE;
    if (!stream->is_large)
        return memory_new(size);
    return memory->count ? memory->unused[--memory->count] : memory_new(STREAM_LARGE);
}

static void drop_segment(struct stream *stream)
{
    if (stream->segment && stream->is_large && stream->memory->count < STREAM_UNUSED)
        stream->memory->unused[stream->memory->count++] = stream->segment;
    else
        free(stream->segment);
    stream->segment = NULL;
}

void stream_free(struct stream *stream)
{
    free(stream->header);
    stream->header = NULL;
    drop_segment(stream);
}

static bool passes_as_it_comes(const struct stream *stream)
{
    return !stream->data_digest && !stream->collects_all &&
           (stream->pdu.opcode == OP_DATA_OUT || stream->pdu.opcode == OP_SCSI_COMMAND);
}

static const char *begin(struct stream *stream, const uint8_t *header)
{
    uint32_t ahs_length = pdu_ahs_length(header);

    if (stream->header_digest &&
        digest_end(digest_add(DIGEST_START, header, BHS_SIZE + ahs_length)) !=
            digest_get(header + BHS_SIZE + ahs_length))
        return "header digest error";
    pdu_decode(&stream->pdu, header);
    stream->pdu.ahs = header + BHS_SIZE;
    if (stream->pdu.data_length > stream->max_data_length)
        return "data segment longer than MaxRecvDataSegmentLength";
    stream->in_segment = true;
    stream->taken = 0;
    stream->is_collected = !passes_as_it_comes(stream);
    return stream->is_collected ? NULL : stream->user->on_begin(stream->owner, &stream->pdu);
}

/* A whole segment, with padding and digest, is at `segment`. */
static const char *deliver_collected(struct stream *stream, const uint8_t *segment)
{
    struct pdu *pdu = &stream->pdu;
    uint32_t padded = pdu->data_length + pdu_padding(pdu->data_length);
    const char *why;

    if (stream->data_digest && pdu->data_length &&
        digest_end(digest_add(DIGEST_START, segment, padded)) != digest_get(segment + padded))
        return stream->user->on_bad_data(stream->owner, pdu);
    pdu->data = segment;
    why = stream->user->on_begin(stream->owner, pdu);
    if (!why && pdu->data_length)
        why = stream->user->on_data(stream->owner, pdu, segment, pdu->data_length);
    return why ? why : stream->user->on_end(stream->owner, pdu);
}

static const char *end(struct stream *stream, const uint8_t *segment)
{
    const char *why = stream->is_collected ? deliver_collected(stream, segment)
                                           : stream->user->on_end(stream->owner, &stream->pdu);

    stream->in_segment = false;
    stream->header_length = 0;
    drop_segment(stream);
    return why;
}

static uint8_t *header_room(struct stream *stream)
{
    if (!stream->header)
        stream->header = memory_new(BHS_SIZE + AHS_MAX + DIGEST_SIZE);
    return stream->header;
}

/* Takes what belongs to the header; sets *used. */
static const char *take_header(struct stream *stream, const uint8_t *bytes, size_t length,
                               size_t *used)
{
    uint32_t wanted = BHS_SIZE;

    *used = 0;
    if (!stream->header_length && length >= BHS_SIZE && length >= header_size(stream, bytes)) {
        *used = header_size(stream, bytes);
        return begin(stream, bytes);
    }
    for (int part = 0; part < 2; part++) {
        uint32_t missing = wanted > stream->header_length ? wanted - stream->header_length : 0;
        uint32_t here = length - *used < missing ? (uint32_t)(length - *used) : missing;

        memcpy(header_room(stream) + stream->header_length, bytes + *used, here);
        stream->header_length += here;
        *used += here;
        if (here < missing)
            return NULL;
        wanted = header_size(stream, stream->header);
    }
    return begin(stream, stream->header);
}

/* Keeps the header of a PDU whose end is not here: the bytes it was read from go away. */
static void keep_header(struct stream *stream)
{
    struct pdu *pdu = &stream->pdu;
    uint32_t length = BHS_SIZE + pdu->ahs_length;

    if (!stream->in_segment || pdu->bhs == stream->header)
        return;
    memcpy(header_room(stream), pdu->bhs, length);
    stream->header_length = length;
    pdu->bhs = stream->header;
    pdu->ahs = stream->header + BHS_SIZE;
}

static const char *pass_data(struct stream *stream, const uint8_t *bytes, uint32_t length)
{
    uint32_t rest =
        stream->pdu.data_length > stream->taken ? stream->pdu.data_length - stream->taken : 0;

    if (rest > length)
        rest = length;
    return rest ? stream->user->on_data(stream->owner, &stream->pdu, bytes, rest) : NULL;
}

static const char *take_segment(struct stream *stream, const uint8_t *bytes, size_t length,
                                size_t *used)
{
    uint32_t size = segment_size(stream), missing = size - stream->taken;
    uint32_t here = length < missing ? (uint32_t)length : missing;
    const char *why = NULL;

    *used = here;
    if (!stream->is_collected) {
        why = pass_data(stream, bytes, here);
    } else if (stream->taken || here < size) {
        if (!stream->segment)
            stream->segment = take_memory(stream, size);
        memcpy(stream->segment + stream->taken, bytes, here);
        bytes = stream->segment;
    }
    stream->taken += here;
    if (why || stream->taken < size)
        return why;
    return end(stream, bytes);
}

const char *stream_feed(struct stream *stream, const uint8_t *bytes, size_t length)
{
    const char *why = NULL;
    size_t used;

    while (!why && (length || (stream->in_segment && !segment_size(stream)))) {
        why = stream->in_segment ? take_segment(stream, bytes, length, &used)
                                 : take_header(stream, bytes, length, &used);
        bytes += used;
        length -= used;
    }
    if (!why)
        keep_header(stream);
    return why;
}
