/* Stale reads: what blocks held before a write that was done, and for how long reads still give
 * that. */
#include "target/base/event.h"
#include "target/base/loops.h"
#include "target/base/memory.h"
#include "target/disk/faulty_io.h"

#include <stdlib.h>
#include <string.h>

struct stale {
    struct list link;
    struct disk_io read;           /* of the old data */
    struct faulty_io *write;       /* that waits for it */
    const struct fault_rule *rule; /* only compared */
    double until;                  /* unix time; 0: no limit */
    int64_t writes;                /* still to come; 0: no limit */
    uint64_t offset, length;
    bool *is_over; /* owned: by block, changed again since */
    uint8_t bytes[];
};

void faulty_stale_free(struct stale *stale)
{
    if (!stale)
        return;
    list_remove(&stale->link);
    free(stale->is_over);
    free(stale);
}

void faulty_disk_make_stale(struct faulty_io *faulty_io, const struct fault_rule *rule)
{
    const struct disk_io *io = faulty_io->outer;
    const struct fault_value *time = fault_parameter(rule, "time"),
                             *writes = fault_parameter(rule, "writes");
    struct stale *stale;

    if (faulty_io->stale)
        return; /* one rule of the kind is enough */
    stale = faulty_io->stale = memory_new(sizeof(*stale) + io->length);
    list_init(&stale->link);
    stale->write = faulty_io;
    stale->rule = rule;
    stale->until = time->is_given ? event_now() + (double)time->number / 1000 : 0;
    stale->writes = writes->is_given ? writes->number : 0;
    stale->offset = io->offset;
    stale->length = io->length;
    stale->is_over = memory_new(io->length / BLOCK * sizeof(*stale->is_over));
}

static void on_old_read(struct disk_io *io)
{
    struct stale *stale = container_of(io, struct stale, read);
    struct faulty_io *write = stale->write;

    if (io->error) {
        write->stale = NULL;
        faulty_stale_free(stale);
    } else {
        faulty_disk_patch(write->faulty, io);
    }
    faulty_disk_go_on(write);
}

void faulty_disk_read_old(struct faulty_io *faulty_io)
{
    struct stale *stale = faulty_io->stale;

    stale->read = (struct disk_io){
        .operation = DISK_READ,
        .offset = stale->offset,
        .length = stale->length,
        .buffer = stale->bytes,
        .done = on_old_read,
    };
    disk_start(faulty_io->faulty->inner, &stale->read);
}

/* Wakes up when the next of them is over by time. */
static void plan(struct faulty_disk *faulty)
{
    struct ev_loop *loop = faulty->faults->loop;
    double next = 0, left;

    LIST_FOR_EACH (node, &faulty->stale) {
        double until = container_of(node, struct stale, link)->until;

        if (until > 0 && (next == 0 || until < next))
            next = until;
    }
    ev_timer_stop(loop, &faulty->stale_over);
    if (next == 0)
        return;
    left = next - event_now();
    ev_now_update(loop);
    ev_timer_set(&faulty->stale_over, left > 0 ? left : 0, 0);
    loop_start_timer(loop, &faulty->stale_over);
}

static void on_over(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)loop, (void)events;
    struct faulty_disk *faulty = container_of(timer, struct faulty_disk, stale_over);

    faulty_disk_forget_stale(faulty, false);
    plan(faulty);
    if (faulty_disk_is_idle(faulty))
        faults_let_go(faulty->faults, FAULT_DISK);
}

/* Of a block of 512 bytes of the disk; NULL: it is not in it, or no more. */
static const uint8_t *old_block(const struct stale *stale, uint64_t block)
{
    uint64_t first = stale->offset / BLOCK;

    if (block < first || block >= first + stale->length / BLOCK || stale->is_over[block - first])
        return NULL;
    return stale->bytes + (block - first) * BLOCK;
}

static void note_change(struct stale *stale, const struct disk_io *io)
{
    uint64_t first = io->offset / BLOCK;

    for (uint64_t i = 0; i < stale->length / BLOCK; i++) {
        uint64_t block = stale->offset / BLOCK + i;

        stale->is_over[i] |= block >= first && block < first + io->length / BLOCK;
    }
    if (io->operation == DISK_WRITE && stale->writes && !--stale->writes)
        faulty_stale_free(stale);
}

void faulty_disk_heed_stale(struct faulty_io *faulty_io)
{
    struct faulty_disk *faulty = faulty_io->faulty;
    const struct disk_io *io = &faulty_io->inner;

    if (io->operation != DISK_WRITE && io->operation != DISK_ZERO && io->operation != DISK_DISCARD)
        return;
    LIST_FOR_EACH_SAFE (node, &faulty->stale)
        note_change(container_of(node, struct stale, link), io);
    if (!faulty_io->stale || !faults_hold(faulty->faults, faulty_io->stale->rule))
        return;
    list_append(&faulty->stale, &faulty_io->stale->link);
    faulty_io->stale = NULL;
    plan(faulty);
}

void faulty_disk_recall(struct faulty_disk *faulty, const struct disk_io *io)
{
    LIST_FOR_EACH (node, &faulty->stale) {
        const struct stale *stale = container_of(node, struct stale, link);

        for (uint64_t at = 0; at + BLOCK <= io->length; at += BLOCK) {
            const uint8_t *old = old_block(stale, (io->offset + at) / BLOCK);

            if (old)
                memcpy(io->buffer + at, old, BLOCK);
        }
    }
}

void faulty_disk_init_stale(struct faulty_disk *faulty)
{
    list_init(&faulty->stale);
    ev_init(&faulty->stale_over, on_over);
}

void faulty_disk_forget_stale(struct faulty_disk *faulty, bool all)
{
    double now = event_now();

    LIST_FOR_EACH_SAFE (node, &faulty->stale) {
        struct stale *stale = container_of(node, struct stale, link);

        if (all || (stale->until > 0 && stale->until <= now) ||
            !faults_hold(faulty->faults, stale->rule))
            faulty_stale_free(stale);
    }
}
