/* A disk whose flush lies: acknowledged writes that it has not got, and how they get there once the
 * rule is gone. */
#include "target/base/event.h"
#include "target/base/loops.h"
#include "target/base/memory.h"
#include "target/disk/faulty_io.h"

#include <stdlib.h>
#include <string.h>

void faulty_disk_patch(const struct faulty_disk *faulty, const struct disk_io *io)
{
    LIST_FOR_EACH (node, &faulty->cache) {
        const struct cached *cached = container_of(node, struct cached, link);
        uint64_t first = cached->offset > io->offset ? cached->offset : io->offset;
        uint64_t end = cached->offset + cached->length < io->offset + io->length
                           ? cached->offset + cached->length
                           : io->offset + io->length;

        if (first < end)
            memcpy(io->buffer + (first - io->offset), cached->bytes + (first - cached->offset),
                   end - first);
    }
}

void faulty_cached_free(struct cached *cached)
{
    list_remove(&cached->link);
    free(cached->fault);
    free(cached);
}

/* It was acknowledged long ago, and now the disk does not take it. */
static void report_loss(struct faulty_disk *faulty, const struct cached *cached)
{
    faulty->drain_error = faulty->drain.error;
    faulty_disk_enter_harm(faulty, cached->fault, "disk.lying_flush", &faulty->drain,
                           "acknowledged, then could not be written");
    event(EVENT_VOLUME_DAMAGED, text("volume", faulty->volume), text("fault", cached->fault),
          number("offset", (int64_t)cached->offset), number("length", (int64_t)cached->length),
          text("reason", strerror(-faulty->drain.error)));
}

static void on_drained(struct disk_io *io);

void faulty_disk_drain(struct faulty_disk *faulty)
{
    struct list *first = list_first(&faulty->cache);
    struct cached *cached;

    if (!first || faulty->is_draining)
        return;
    cached = container_of(first, struct cached, link);
    faulty->is_draining = true;
    faulty->drain = (struct disk_io){
        .operation = DISK_WRITE,
        .offset = cached->offset,
        .length = cached->length,
        .buffer = cached->bytes,
        .done = on_drained,
    };
    disk_start(faulty->inner, &faulty->drain);
}

static void start_waiting(struct faulty_disk *faulty);

static void on_drained(struct disk_io *io)
{
    struct faulty_disk *faulty = container_of(io, struct faulty_disk, drain);
    struct list *first = list_first(&faulty->cache);

    faulty->is_draining = false;
    if (io->error)
        report_loss(faulty, container_of(first, struct cached, link));
    faulty_cached_free(container_of(first, struct cached, link));
    if (!list_is_empty(&faulty->cache)) {
        faulty_disk_drain(faulty);
        return;
    }
    start_waiting(faulty);
    if (faulty_disk_is_idle(faulty))
        faults_let_go(faulty->faults, FAULT_DISK);
}

/* What had to wait until the cache is empty. */
static void start_waiting(struct faulty_disk *faulty)
{
    LIST_FOR_EACH (node, &faulty->under_way) {
        struct faulty_io *faulty_io = container_of(node, struct faulty_io, link);

        if (!faulty_io->is_waiting)
            continue;
        faulty_io->is_waiting = false;
        if (faulty_io->inner.operation == DISK_FLUSH && faulty->drain_error) {
            faulty_io->inner.error = faulty->drain_error;
            faulty_io->is_passed_on = false;
            faulty->drain_error = 0;
        }
        ev_timer_set(&faulty_io->delay, 0, 0);
        loop_start_timer(faulty->faults->loop, &faulty_io->delay);
    }
}

static void cache(struct faulty_io *faulty_io, const char *fault)
{
    const struct disk_io *io = &faulty_io->inner;
    struct cached *cached = memory_new(sizeof(*cached) + io->length);

    if (list_is_empty(&faulty_io->faulty->cache))
        faulty_io->faulty->drain_error = 0; /* of another time */
    cached->fault = memory_copy_text(fault);
    cached->offset = io->offset;
    cached->length = io->length;
    memcpy(cached->bytes, io->buffer, io->length);
    list_append(&faulty_io->faulty->cache, &cached->link);
    faulty_io->is_passed_on = false;
}

void faulty_disk_lie(struct faulty_io *faulty_io, const struct fault_rule *rule)
{
    struct faulty_disk *faulty = faulty_io->faulty;

    if (faulty_io->inner.operation == DISK_WRITE) {
        cache(faulty_io, rule->id);
        faulty_disk_enter_harm(faulty, rule->id, rule->kind->name, faulty_io->outer,
                               "acknowledged, in volatile memory only");
    } else {
        faulty_io->is_passed_on = false;
    }
}

void faulty_disk_heed_cache(struct faulty_io *faulty_io)
{
    struct faulty_disk *faulty = faulty_io->faulty;
    enum disk_operation operation = faulty_io->inner.operation;

    if (list_is_empty(&faulty->cache) || !faulty_io->is_passed_on || operation == DISK_READ)
        return;
    if (operation == DISK_WRITE) {
        cache(faulty_io, container_of(list_first(&faulty->cache), struct cached, link)->fault);
    } else {
        faulty_io->is_waiting = true;
        faulty_disk_drain(faulty);
    }
}
