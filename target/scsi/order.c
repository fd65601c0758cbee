#include "target/scsi/order.h"

static bool changes(const struct disk_io *io)
{
    return io->operation == DISK_WRITE || io->operation == DISK_DISCARD ||
           io->operation == DISK_ZERO;
}

static bool is_in_the_way(const struct disk_io *earlier, const struct disk_io *io)
{
    if (earlier->operation == DISK_FLUSH || io->operation == DISK_FLUSH)
        return false;
    return (changes(earlier) || changes(io)) && earlier->offset < io->offset + io->length &&
           io->offset < earlier->offset + earlier->length;
}

/* `until`: only those that wait before it count; NULL: all. */
static bool must_wait(const struct order *order, const struct disk_io *io, const struct list *until)
{
    LIST_FOR_EACH (link, &order->running)
        if (is_in_the_way(&container_of(link, struct order_item, link)->io, io))
            return true;
    LIST_FOR_EACH (link, &order->waiting) {
        if (link == until)
            break;
        if (is_in_the_way(&container_of(link, struct order_item, link)->io, io))
            return true;
    }
    return false;
}

static bool is_being_changed(const struct order *order, uint64_t offset, uint64_t length)
{
    struct disk_io read = {.operation = DISK_READ, .offset = offset, .length = length};

    return must_wait(order, &read, NULL);
}

static bool has_free_way(const struct order *order, const struct disk_io *io)
{
    /* Nothing waits unless something runs. */
    return list_is_empty(&order->running) || !must_wait(order, io, NULL);
}

static struct order_item *find_ready(const struct order *order)
{
    LIST_FOR_EACH (link, &order->waiting) {
        struct order_item *item = container_of(link, struct order_item, link);

        if (!must_wait(order, &item->io, link))
            return item;
    }
    return NULL;
}

static void begin(struct order_item *item)
{
    if (item->is_lock)
        item->done(item);
    else
        disk_start(item->order->disk, &item->io);
}

static void leave(struct order_item *item)
{
    struct order *order = item->order;
    struct order_item *ready;

    list_remove(&item->link);
    while ((ready = find_ready(order))) {
        list_remove(&ready->link);
        list_append(&order->running, &ready->link);
        begin(ready);
    }
}

static void on_done(struct disk_io *io)
{
    struct order_item *item = container_of(io, struct order_item, io);

    leave(item);
    item->done(item); /* the order may be gone after it */
}

static void on_inside_done(struct disk_io *io)
{
    struct order_item *item = container_of(io, struct order_item, io);

    item->done(item);
}

/* Whether it is running now; otherwise it waits. */
static bool enter(struct order *order, struct order_item *item)
{
    bool is_free = has_free_way(order, &item->io);

    list_append(is_free ? &order->running : &order->waiting, &item->link);
    return is_free;
}

void order_init(struct order *order, struct disk *disk)
{
    order->disk = disk;
    order->watch = NULL;
    list_init(&order->running);
    list_init(&order->waiting);
}

static bool is_wanted(const struct order *order, const struct disk_io *io)
{
    return order->watch && changes(io) && order->watch->wants(order->watch, io);
}

bool order_attempt(struct order *order, struct disk_io *io)
{
    return !is_wanted(order, io) && has_free_way(order, io) && disk_attempt(order->disk, io);
}

void order_start(struct order *order, struct order_item *item)
{
    if (is_wanted(order, &item->io)) {
        order->watch->delay(order->watch, item);
        return;
    }
    item->order = order;
    item->io.done = item->is_inside ? on_inside_done : on_done;
    if (item->is_inside || enter(order, item))
        begin(item);
}

bool order_lock(struct order *order, struct order_item *item)
{
    item->io.operation = DISK_WRITE; /* nothing that overlaps goes beside it */
    item->is_lock = true;
    item->order = order;
    if (!is_wanted(order, &item->io))
        return enter(order, item);
    order->watch->delay(order->watch, item);
    return false;
}

void order_unlock(struct order_item *item)
{
    leave(item);
}

bool order_attempt_locked(struct order *order, struct disk_io *io)
{
    return !is_wanted(order, io) && disk_attempt(order->disk, io);
}

void order_start_locked(struct order *order, struct order_item *item)
{
    item->is_inside = true;
    order_start(order, item);
}

bool order_span(struct order *order, uint64_t offset, uint64_t length, struct span *span)
{
    return (list_is_empty(&order->running) || !is_being_changed(order, offset, length)) &&
           disk_span(order->disk, offset, length, span);
}
