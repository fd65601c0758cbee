/* The medium of a logical unit: requests that overlap run one after the other in the order they
 * came, so that no read sees a block of two writes. Only what is on a worker (or waits for it) is
 * remembered; what finishes on the loop costs one look at an empty list. */
#pragma once

#include "target/base/list.h"
#include "target/disk/disk.h"

struct order_item;

/* Somebody who must hear of a change of the medium before it happens. */
struct order_watch {
    bool (*wants)(struct order_watch *watch, const struct disk_io *change);
    /* What is wanted comes here, and goes on by order_start once it is wanted no more. */
    void (*delay)(struct order_watch *watch, struct order_item *item);
};

struct order {
    struct disk *disk;            /* owned by the logical unit */
    struct list running, waiting; /* of struct order_item */
    struct order_watch *watch;    /* borrowed; NULL: there is none */
};

typedef void order_done(struct order_item *item);

struct order_item {
    struct disk_io io;
    order_done *done; /* from the loop */
    /* The order's own; while an item is delayed the link is the watch's. */
    struct order *order;
    struct list link;
    bool is_lock, is_inside; /* false unless the functions for locks say so */
};

void order_init(struct order *order, struct disk *disk);

/* Finishes `io` now if nothing under way is in its way and it need not block: true. Otherwise
 * nothing happened. */
bool order_attempt(struct order *order, struct disk_io *io);

/* item->done follows from the loop. */
void order_start(struct order *order, struct order_item *item);

/* Takes the range of item->io for its owner alone: what overlaps waits from now on until
 * order_unlock. true: now; false: item->done tells when, not always from the loop, so that it had
 * better only remember it. */
bool order_lock(struct order *order, struct order_item *item);
void order_unlock(struct order_item *item);

/* Like order_attempt and order_start, within a range that the owner has locked. */
bool order_attempt_locked(struct order *order, struct disk_io *io);
void order_start_locked(struct order *order, struct order_item *item);

/* A range that a reader may take from memory (disk_span). */
bool order_span(struct order *order, uint64_t offset, uint64_t length, struct span *span);
