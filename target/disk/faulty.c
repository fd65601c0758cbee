#include "target/disk/faulty.h"

#include "target/base/loops.h"
#include "target/base/memory.h"
#include "target/disk/faulty_io.h"

#include <stdlib.h>

static struct faulty_disk *faulty_of(struct disk *disk)
{
    return container_of(disk, struct faulty_disk, disk);
}

bool faulty_disk_is_idle(const struct faulty_disk *faulty)
{
    return list_is_empty(&faulty->under_way) && list_is_empty(&faulty->cache) &&
           list_is_empty(&faulty->stale);
}

static void finish(struct faulty_io *faulty_io)
{
    struct disk_io *outer = faulty_io->outer, *inner = &faulty_io->inner;
    struct faulty_disk *faulty = faulty_io->faulty;

    if (outer->operation == DISK_READ && !inner->error) {
        faulty_disk_patch(faulty, outer);
        faulty_disk_recall(faulty, outer);
        if (faulty_io->corrupt_xor && faulty_io->corrupt_offset < outer->length)
            outer->buffer[faulty_io->corrupt_offset] ^= faulty_io->corrupt_xor;
        if (faulty_io->stuck)
            outer->buffer[faulty_io->corrupt_offset] =
                (uint8_t)((outer->buffer[faulty_io->corrupt_offset] & ~faulty_io->stuck) |
                          faulty_io->stuck_at);
    }
    if (outer->operation == DISK_LOCATE) {
        outer->is_mapped = inner->is_mapped;
        outer->length = inner->length;
    }
    outer->error = inner->error;
    list_remove(&faulty_io->link);
    ev_timer_stop(faulty->faults->loop, &faulty_io->delay);
    faulty_stale_free(faulty_io->stale);
    free(faulty_io->copy);
    free(faulty_io);
    if (faulty_disk_is_idle(faulty))
        faults_let_go(faulty->faults, FAULT_DISK);
    outer->done(outer);
}

static void on_inner_done(struct disk_io *io)
{
    finish(container_of(io, struct faulty_io, inner));
}

static void on_delay(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)loop, (void)events;
    struct faulty_io *faulty_io = container_of(timer, struct faulty_io, delay);

    if (!faulty_io->is_passed_on)
        finish(faulty_io);
    else if (disk_submit(faulty_io->faulty->inner, &faulty_io->inner))
        finish(faulty_io);
}

struct fault_point faulty_disk_point_of(const struct faulty_disk *faulty, const struct disk_io *io)
{
    return (struct fault_point){
        .where = FAULT_DISK,
        .node = faulty->faults->node,
        .volume = faulty->volume,
        .direction = -1,
        .pdu = -1,
        .command = -1,
        .lba = (int64_t)(io->offset / BLOCK),
        .blocks = (int64_t)((io->length + BLOCK - 1) / BLOCK),
        .size = (int64_t)io->length,
    };
}

void faulty_disk_go_on(struct faulty_io *faulty_io)
{
    struct faulty_disk *faulty = faulty_io->faulty;

    faulty_disk_heed_stale(faulty_io);
    if (faulty_io->inner.operation == DISK_WRITE && !faulty_io->inner.error)
        faulty_disk_reassign(faulty, faulty_io->outer);
    faulty_disk_heed_cache(faulty_io);
    if (faulty_io->is_waiting)
        return;
    if (faulty_io->delay_s == 0 && faulty_io->is_passed_on) {
        disk_start(faulty->inner, &faulty_io->inner);
        return;
    }
    ev_timer_set(&faulty_io->delay, faulty_io->delay_s, 0);
    loop_start_timer(faulty->faults->loop, &faulty_io->delay);
}

static void start(struct disk *disk, struct disk_io *io)
{
    struct faulty_disk *faulty = faulty_of(disk);
    struct faulty_question question = {faulty, io};
    struct fault_point point = faulty_disk_point_of(faulty, io);
    struct faulty_io *faulty_io = memory_new(sizeof(*faulty_io));
    struct fault_rule *rule;

    point.accepts = faulty_disk_accepts;
    point.what = &question;
    *faulty_io =
        (struct faulty_io){.faulty = faulty, .inner = *io, .outer = io, .is_passed_on = true};
    faulty_io->inner.error = 0;
    faulty_io->inner.done = on_inner_done;
    ev_init(&faulty_io->delay, on_delay);
    list_append(&faulty->under_way, &faulty_io->link);
    if (!faulty->is_settling)
        for (size_t i = 0; (rule = faults_strike(faulty->faults, &point, &i));)
            faulty_disk_apply(faulty_io, rule);
    if (faulty_io->stale)
        faulty_disk_read_old(faulty_io);
    else
        faulty_disk_go_on(faulty_io);
}

static bool attempt(struct disk *disk, struct disk_io *io)
{
    (void)disk, (void)io;
    return false; /* whether a rule strikes is decided once, in start */
}

static bool span(struct disk *disk, uint64_t offset, uint64_t length, struct span *span)
{
    (void)disk, (void)offset, (void)length, (void)span;
    return false;
}

static struct disk_space space(struct disk *disk)
{
    return disk_space(faulty_of(disk)->inner);
}

static void faulty_free(struct faulty_disk *faulty)
{
    faulty_disk_forget_healed(faulty, true);
    LIST_FOR_EACH_SAFE (node, &faulty->cache) {
        faulty_cached_free(container_of(node, struct cached, link));
    }
    faulty_disk_forget_stale(faulty, true);
    ev_timer_stop(faulty->faults->loop, &faulty->stale_over);
    free(faulty->volume);
    free(faulty->ledger);
    free(faulty);
}

static void close_disk(struct disk *disk)
{
    struct faulty_disk *faulty = faulty_of(disk);

    disk_close(faulty->inner);
    faulty_free(faulty);
}

static const struct disk_operations operations = {attempt, start, span, space, close_disk};

struct faulty_disk *faulty_disk_new(struct faults *faults, const char *volume, const char *ledger)
{
    struct faulty_disk *faulty = memory_new(sizeof(*faulty));

    faulty->disk.operations = &operations;
    faulty->faults = faults;
    faulty->volume = memory_copy_text(volume);
    faulty->ledger = memory_copy_text(ledger);
    list_init(&faulty->under_way);
    list_init(&faulty->healed);
    list_init(&faulty->cache);
    faulty_disk_init_stale(faulty);
    return faulty;
}

void faulty_disk_set_inner(struct faulty_disk *faulty, struct disk *inner)
{
    faulty->inner = inner;
}

struct disk *faulty_disk_of(struct faulty_disk *faulty)
{
    return &faulty->disk;
}

struct disk *faulty_disk_follow(struct faulty_disk *faulty)
{
    struct disk *inner = faulty->inner;
    struct fault_point point = {.where = FAULT_DISK,
                                .node = faulty->faults->node,
                                .volume = faulty->volume,
                                .direction = -1,
                                .pdu = -1,
                                .command = -1};

    faulty_disk_forget_healed(faulty, false);
    faulty_disk_forget_stale(faulty, false);
    if (!faults_match(faulty->faults, &point, "disk.lying_flush"))
        faulty_disk_drain(faulty);
    if (faults_need(faulty->faults, FAULT_DISK) || !faulty_disk_is_idle(faulty))
        return NULL;
    faulty_free(faulty);
    return inner;
}

void faulty_disk_settle(struct faulty_disk *faulty)
{
    faulty->is_settling = true;
}
