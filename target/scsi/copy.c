#include "target/scsi/copy.h"

#include "target/base/memory.h"
#include "target/scsi/copy_list.h"
#include "target/scsi/step.h"
#include "target/scsi/token.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { PIECE = 1024 * 1024, ZEROS_PIECE = 256 * 1024 * 1024 };

/* A volume that takes part. */
struct place {
    struct scsi_lun *lun; /* borrowed by lun_borrow; NULL: served elsewhere */
    struct order own;     /* for a volume served elsewhere; its disk is owned */
    bool is_asked;        /* for leave, by its reservations */
    uint64_t size;
    uint32_t block_size;
};

struct copy {
    struct scsi_task *task;     /* parent: outlives us */
    struct copy_record *record; /* borrowed; or NULL */
    const struct copy_rules *rules;
    struct place places[COPY_SOURCES_MAXIMUM + 1];
    unsigned place_count;
    struct copy_segment segments[COPY_SEGMENTS_MAXIMUM];
    size_t segment_count, current;
    uint64_t position; /* bytes of the current segment that are done */
    uint64_t bytes;
    double deadline;
    uint8_t *buffer;               /* owned */
    enum disk_operation operation; /* how the piece is written */
    struct order_item item;
    uint32_t (*next)(struct copy *copy); /* after the request under way */
    bool has_ended_early, is_stopped;
    struct token token;
};

struct copy *copy_new(struct scsi_task *task, struct copy_record *record)
{
    struct copy *copy = memory_new(sizeof *copy);

    copy->task = task;
    copy->record = record;
    task->copy = copy;
    return copy;
}

struct token *copy_token(struct copy *copy)
{
    return &copy->token;
}

void copy_free(struct copy *copy)
{
    if (!copy)
        return;
    if (copy->record)
        copy_record_end(copy->record, copy->task, SCSI_PENDING);
    for (unsigned i = 0; i < copy->place_count; i++)
        if (copy->places[i].lun)
            lun_return(copy->places[i].lun);
        else
            disk_close(copy->places[i].own.disk);
    free(copy->buffer);
    free(copy);
}

static uint32_t add_lun(struct copy *copy, struct scsi_lun *lun, const char *initiator_port,
                        unsigned *number)
{
    for (*number = 0; *number < copy->place_count; ++*number)
        if (copy->places[*number].lun == lun)
            return SCSI_GOOD;
    lun_borrow(lun);
    copy->places[copy->place_count++] = (struct place){.lun = lun,
                                                       .is_asked = initiator_port != NULL,
                                                       .size = lun->blocks * lun->block_size,
                                                       .block_size = lun->block_size};
    return SCSI_GOOD;
}

uint32_t copy_add_place(struct copy *copy, const uint8_t *naa, const char *initiator_port,
                        unsigned *number)
{
    const struct scsi_nexus *nexus = copy->task->nexus;
    struct scsi_peer peer = {0};

    assert(copy->place_count < sizeof copy->places / sizeof copy->places[0]);
    if (!naa || memcmp(naa, nexus->lun->naa, SCSI_NAA_SIZE) == 0)
        return add_lun(copy, nexus->lun, initiator_port, number);
    if (!nexus->lun->peers ||
        !nexus->lun->peers->find(nexus->lun->peers, naa, initiator_port, &peer))
        return SCSI_COPY_NOT_REACHABLE;
    if (peer.lun)
        return add_lun(copy, peer.lun, initiator_port, number);
    *number = copy->place_count++;
    copy->places[*number] = (struct place){.size = peer.size, .block_size = peer.block_size};
    order_init(&copy->places[*number].own, peer.disk);
    return SCSI_GOOD;
}

uint32_t copy_block_size(const struct copy *copy, unsigned place)
{
    return copy->places[place].block_size;
}

static bool fits(const struct place *place, uint64_t offset, uint64_t length)
{
    return offset <= place->size && length <= place->size - offset;
}

/* SPC-4 5.16.3: another logical unit would have answered with RESERVATION CONFLICT. Of the one that
 * got the command this was checked; of one that is served elsewhere it is not known here; and
 * whoever has a token need not ask. */
static bool is_reserved(const struct copy *copy, const struct place *place, bool writes)
{
    const struct scsi_nexus *nexus = copy->task->nexus;

    return place->lun && place->lun != nexus->lun && place->is_asked &&
           reserve_forbids_copy(place->lun, nexus->initiator_port, writes);
}

static bool is_ready(const struct place *place)
{
    const struct scsi_lun *lun = place->lun;

    return !lun || (!lun->medium.is_ejected && lun->sanitize.state == SANITIZE_IDLE);
}

static uint32_t check_source(const struct copy *copy, const struct copy_segment *segment)
{
    const struct place *source = &copy->places[segment->source];

    if (!fits(source, segment->from, segment->length))
        return SCSI_LBA_OUT_OF_RANGE;
    if (!is_ready(source))
        return SCSI_COPY_NOT_REACHABLE;
    return is_reserved(copy, source, false) ? SCSI_COPY_DEVICE_FAILURE : SCSI_GOOD;
}

static uint32_t check_destination(const struct copy *copy, const struct copy_segment *segment)
{
    const struct place *destination = &copy->places[segment->destination];

    if (!destination->lun || !is_ready(destination))
        return SCSI_COPY_NOT_REACHABLE;
    if (!fits(destination, segment->to, segment->length))
        return SCSI_LBA_OUT_OF_RANGE;
    if (destination->lun->is_read_only)
        return SCSI_WRITE_PROTECTED;
    if (destination->lun->mode.is_write_protected)
        return SCSI_SOFTWARE_WRITE_PROTECTED;
    return is_reserved(copy, destination, true) ? SCSI_COPY_DEVICE_FAILURE : SCSI_GOOD;
}

uint32_t copy_add_segment(struct copy *copy, const struct copy_segment *segment)
{
    uint32_t result = check_destination(copy, segment);

    assert(copy->segment_count < COPY_SEGMENTS_MAXIMUM);
    if (!result && segment->source != COPY_ZEROS)
        result = check_source(copy, segment);
    if (!result)
        copy->segments[copy->segment_count++] = *segment;
    return result;
}

size_t copy_segments_done(const struct copy *copy)
{
    return copy->current;
}

uint64_t copy_bytes_done(const struct copy *copy)
{
    return copy->bytes;
}

void copy_set_bytes_done(struct copy *copy, uint64_t bytes)
{
    copy->bytes = bytes;
}

bool copy_has_ended_early(const struct copy *copy)
{
    return copy->has_ended_early;
}

void copy_stop(struct copy *copy)
{
    copy->is_stopped = true;
}

uint32_t copy_end(struct copy *copy, uint32_t result)
{
    if (copy->record)
        copy_record_end(copy->record, copy->task, result);
    copy->record = NULL;
    return result;
}

static uint32_t finish(struct copy *copy, uint32_t result)
{
    if (!result && copy->rules->finished)
        copy->rules->finished(copy->task);
    return copy_end(copy, result ? copy->rules->fail(copy->task, result) : SCSI_GOOD);
}

static void on_done(struct order_item *item)
{
    struct copy *copy = container_of(item, struct copy, item);
    struct scsi_task *task = copy->task;
    uint32_t result = result_of_io(item->io.error, item->io.operation == DISK_READ ||
                                                       item->io.operation == DISK_LOCATE);

    if (!step_has_ended(task))
        step_resume(task, result ? finish(copy, result) : copy->next(copy));
}

/* Submits copy->item.io to a place; `next` follows. */
static uint32_t submit(struct copy *copy, int number, uint32_t (*next)(struct copy *copy))
{
    struct place *place = &copy->places[number];

    if (place->lun && lun_is_closing(place->lun))
        return finish(copy, SCSI_COPY_NOT_REACHABLE);
    if (copy->is_stopped)
        return finish(copy, SCSI_COPY_STOPPED);
    copy->next = next;
    copy->item.done = on_done;
    copy->task->under_way++;
    order_start(place->lun ? &place->lun->order : &place->own, &copy->item);
    return SCSI_PENDING;
}

static uint32_t next_piece(struct copy *copy);

static uint32_t advance(struct copy *copy)
{
    struct copy_segment *segment = &copy->segments[copy->current];

    copy->position += copy->item.io.length;
    copy->bytes += copy->item.io.length;
    if (copy->position == segment->length) {
        copy->current++;
        copy->position = 0;
    }
    return next_piece(copy);
}

/* Where the item's bytes go; those it read stay in the buffer. */
static uint32_t write_piece(struct copy *copy)
{
    const struct copy_segment *segment = &copy->segments[copy->current];
    uint64_t start = copy->item.io.offset - segment->from;

    if (segment->source == COPY_ZEROS)
        start = copy->position;
    copy->item.io.operation = copy->operation;
    if (copy->operation == DISK_DISCARD && !copy->places[segment->destination].lun->is_thin)
        copy->item.io.operation = DISK_ZERO;
    copy->item.io.is_forced = false;
    copy->item.io.offset = segment->to + start;
    return submit(copy, segment->destination, advance);
}

static uint32_t go_on(struct copy *copy, uint32_t result)
{
    if (result == SCSI_PENDING)
        return result;
    return result ? finish(copy, result) : write_piece(copy);
}

static uint32_t confirm(struct copy *copy)
{
    return go_on(copy, copy->rules->confirm ? copy->rules->confirm(copy->task) : SCSI_GOOD);
}

void copy_resume(struct copy *copy, uint32_t result)
{
    step_resume(copy->task, go_on(copy, result));
}

static uint32_t read_piece(struct copy *copy, uint64_t from, uint64_t length)
{
    if (!copy->buffer)
        copy->buffer = memory_new(PIECE);
    copy->operation = DISK_WRITE;
    copy->item.io = (struct disk_io){
        .operation = DISK_READ, .offset = from, .length = length, .buffer = copy->buffer};
    return submit(copy, copy->segments[copy->current].source, confirm);
}

/* A hole stays one; what is partly a hole is data. */
static uint32_t located(struct copy *copy)
{
    const struct copy_segment *segment = &copy->segments[copy->current];
    struct disk_io *io = &copy->item.io;
    uint64_t block = copy->places[segment->destination].block_size;
    uint64_t rest = segment->length - copy->position;
    uint64_t whole = io->length - io->length % block;

    if (!io->is_mapped && (io->length == rest || whole)) {
        io->length = io->length == rest ? rest : whole;
        copy->operation = DISK_DISCARD;
        return confirm(copy);
    }
    uint64_t length = whole < io->length || !whole ? whole + block : whole;
    if (length > PIECE)
        length = PIECE;
    return read_piece(copy, io->offset, length < rest ? length : rest);
}

/* From the end, if the beginning would overwrite what is still to be read. */
static bool goes_backwards(const struct copy_segment *segment)
{
    return segment->source == segment->destination && segment->from < segment->to &&
           segment->to - segment->from < segment->length;
}

static uint32_t next_piece(struct copy *copy)
{
    const struct copy_segment *segment = &copy->segments[copy->current];
    struct disk_io *io = &copy->item.io;

    while (copy->current < copy->segment_count && segment->length == 0)
        segment = &copy->segments[++copy->current];
    copy->has_ended_early = copy->rules->may_end_early && copy->current < copy->segment_count &&
                            ev_time() > copy->deadline;
    if (copy->current == copy->segment_count || copy->has_ended_early)
        return finish(copy, SCSI_GOOD);

    uint64_t rest = segment->length - copy->position;
    if (goes_backwards(segment)) {
        uint64_t length = rest < PIECE ? rest : PIECE;
        return read_piece(copy, segment->from + rest - length, length);
    }
    if (segment->source == COPY_ZEROS) {
        io->length = rest < ZEROS_PIECE ? rest : ZEROS_PIECE;
        copy->operation = DISK_DISCARD;
        return write_piece(copy);
    }
    *io = (struct disk_io){.operation = DISK_LOCATE,
                           .offset = segment->from + copy->position,
                           .length = rest < ZEROS_PIECE ? rest : ZEROS_PIECE};
    return submit(copy, segment->source, located);
}

uint32_t copy_run(struct copy *copy, const struct copy_rules *rules)
{
    copy->rules = rules;
    copy->deadline = ev_time() + COPY_SECONDS_MAXIMUM;
    return next_piece(copy);
}
