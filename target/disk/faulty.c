#include "target/disk/faulty.h"

#include "target/base/event.h"
#include "target/base/list.h"
#include "target/base/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { BLOCK = 512 };

struct faulty_disk {
    struct disk disk;
    struct disk *inner;        /* owned */
    struct faults *faults;     /* borrowed */
    char *volume, *ledger;     /* owned */
    struct list under_way;     /* requests that are held or watched */
    struct list healed, cache; /* of bad blocks; writes that the disk has not got */
    struct disk_io drain;      /* of the oldest of them */
    bool is_draining, is_settling;
    uint64_t moved; /* bytes, while throttled */
    double free_at; /* unix time: when a throttled disk has moved what it has */
};

/* Blocks that were bad and have been written again. */
struct healed {
    struct list link;
    const struct fault_rule *rule; /* only compared */
    uint64_t first, last;
};

struct cached {
    struct list link;
    uint64_t offset, length;
    uint8_t bytes[];
};

/* A request that a rule has struck, or whose answer is to be changed. */
struct faulty_io {
    struct list link;
    struct faulty_disk *faulty;
    struct disk_io inner, *outer;
    uint8_t *copy;           /* owned: of what is written instead; or NULL */
    uint64_t corrupt_offset; /* of data read */
    uint8_t corrupt_xor;     /* 0: none */
    uint8_t stuck, stuck_at; /* bits of that byte that are stuck, and at what; 0: none */
    ev_timer delay;
    bool is_passed_on; /* else it ends after the delay with inner.error */
    bool is_waiting;   /* until nothing is cached any more */
};

static struct faulty_disk *faulty_of(struct disk *disk)
{
    return container_of(disk, struct faulty_disk, disk);
}

static void enter_harm(struct faulty_disk *faulty, const struct fault_rule *rule,
                       const struct disk_io *io, const char *what)
{
    char stamp[EVENT_TIME_SIZE], *line;
    int fd = open(faulty->ledger, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    json_t *entry;

    if (fd < 0)
        return;
    event_format_time(stamp, event_now());
    entry = json_pack("{s:s, s:s, s:s, s:s, s:s, s:I, s:I}", "time", stamp, "volume",
                      faulty->volume, "fault", rule->id, "kind", rule->kind->name, "harm", what,
                      "offset", (json_int_t)io->offset, "length", (json_int_t)io->length);
    line = json_dumps(entry, JSON_COMPACT);
    (void)!dprintf(fd, "%s\n", line);
    free(line);
    json_decref(entry);
    close(fd);
}

/* Cached writes over what was read. */
static void patch(const struct faulty_disk *faulty, const struct disk_io *io)
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

static void finish(struct faulty_io *faulty_io)
{
    struct disk_io *outer = faulty_io->outer, *inner = &faulty_io->inner;
    struct faulty_disk *faulty = faulty_io->faulty;

    if (outer->operation == DISK_READ && !inner->error) {
        patch(faulty, outer);
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
    free(faulty_io->copy);
    free(faulty_io);
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

static void on_drained(struct disk_io *io);

/* Writes the oldest cached write; the rest follows. */
static void drain(struct faulty_disk *faulty)
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
    list_remove(first);
    free(container_of(first, struct cached, link));
    if (list_is_empty(&faulty->cache))
        start_waiting(faulty);
    else
        drain(faulty);
}

/* What had to wait until the cache is empty. */
static void start_waiting(struct faulty_disk *faulty)
{
    LIST_FOR_EACH (node, &faulty->under_way) {
        struct faulty_io *faulty_io = container_of(node, struct faulty_io, link);

        if (!faulty_io->is_waiting)
            continue;
        faulty_io->is_waiting = false;
        ev_timer_set(&faulty_io->delay, 0, 0);
        ev_timer_start(faulty->faults->loop, &faulty_io->delay);
    }
}

static bool is_healed(const struct faulty_disk *faulty, const struct fault_rule *rule,
                      uint64_t block)
{
    LIST_FOR_EACH (node, &faulty->healed) {
        const struct healed *healed = container_of(node, struct healed, link);

        if (healed->rule == rule && block >= healed->first && block <= healed->last)
            return true;
    }
    return false;
}

/* Whether the read touches a block of the rule that is still bad. */
static bool is_bad(const struct faulty_disk *faulty, const struct fault_rule *rule,
                   const struct disk_io *io)
{
    const struct fault_value *lba = &rule->values[FAULT_KEY_LBA];
    uint64_t first = io->offset / BLOCK, end = (io->offset + io->length + BLOCK - 1) / BLOCK;

    if (!lba->is_given || fault_parameter(rule, "rewritten")->number)
        return true;
    for (uint64_t block = first; block < end; block++)
        if (block >= (uint64_t)lba->number && block <= (uint64_t)lba->last &&
            !is_healed(faulty, rule, block))
            return true;
    return false;
}

/* Where the stuck byte lies on the disk. */
static uint64_t stuck_byte(const struct fault_rule *rule)
{
    return (uint64_t)rule->values[FAULT_KEY_LBA].number * BLOCK +
           (uint64_t)fault_parameter(rule, "offset")->number;
}

static bool touches_stuck(const struct fault_rule *rule, const struct disk_io *io)
{
    uint64_t byte = stuck_byte(rule);

    return byte >= io->offset && byte < io->offset + io->length;
}

struct question {
    const struct faulty_disk *faulty;
    const struct disk_io *io;
};

/* Whether the kind has to do with this operation. */
static bool accepts(const struct fault_rule *rule, const void *what)
{
    static const enum disk_operation operations[] = {DISK_READ, DISK_READ, DISK_WRITE, DISK_FLUSH};
    const struct question *question = what;
    enum disk_operation operation = question->io->operation;

    if (fault_is_kind(rule, "disk.latency")) {
        int64_t which = fault_parameter(rule, "operation")->number;

        return !which || operations[which] == operation;
    }
    if (fault_is_kind(rule, "disk.corrupt"))
        return operation == (fault_parameter(rule, "operation")->number ? DISK_WRITE : DISK_READ);
    if (fault_is_kind(rule, "disk.stuck_bits"))
        return operation == DISK_READ && touches_stuck(rule, question->io);
    if (fault_is_kind(rule, "disk.throttle"))
        return operation == DISK_READ || operation == DISK_WRITE;
    if (fault_is_kind(rule, "disk.read_error"))
        return operation == DISK_READ && is_bad(question->faulty, rule, question->io);
    if (fault_is_kind(rule, "disk.lying_flush"))
        return operation == DISK_WRITE || operation == DISK_FLUSH;
    return operation == DISK_WRITE ||
           (operation == DISK_ZERO && fault_is_kind(rule, "disk.write_error"));
}

static void heal(struct faulty_disk *faulty, const struct fault_rule *rule,
                 const struct disk_io *io)
{
    struct healed *healed = memory_new(sizeof(*healed));

    healed->rule = rule;
    healed->first = io->offset / BLOCK;
    healed->last = (io->offset + io->length - 1) / BLOCK;
    list_append(&faulty->healed, &healed->link);
}

static struct fault_point point_of(const struct faulty_disk *faulty, const struct disk_io *io)
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

/* Bad blocks that are written are good again. */
static void reassign(struct faulty_disk *faulty, const struct disk_io *io)
{
    struct fault_point point = point_of(faulty, io);
    struct fault_rule *rule = faults_match(faulty->faults, &point, "disk.read_error");

    if (rule && !fault_parameter(rule, "rewritten")->number)
        heal(faulty, rule, io);
}

static void change_byte(struct faulty_io *faulty_io, const struct fault_rule *rule)
{
    struct disk_io *io = &faulty_io->inner;
    uint64_t offset = (uint64_t)fault_parameter(rule, "offset")->number;
    uint8_t xor = (uint8_t)fault_parameter(rule, "xor")->number;

    if (io->operation == DISK_READ) {
        faulty_io->corrupt_offset = offset;
        faulty_io->corrupt_xor = xor;
        return;
    }
    if (!faulty_io->copy) {
        faulty_io->copy = memory_new(io->length);
        memcpy(faulty_io->copy, io->buffer, io->length);
        io->buffer = faulty_io->copy;
    }
    if (offset < io->length)
        io->buffer[offset] ^= xor;
}

static void stick(struct faulty_io *faulty_io, const struct fault_rule *rule)
{
    faulty_io->corrupt_offset = stuck_byte(rule) - faulty_io->inner.offset;
    faulty_io->stuck = (uint8_t)fault_parameter(rule, "bits")->number;
    faulty_io->stuck_at = fault_parameter(rule, "at")->number ? faulty_io->stuck : 0;
}

/* Seconds until the disk has moved this, too. */
static double throttle(struct faulty_io *faulty_io, const struct fault_rule *rule)
{
    struct faulty_disk *faulty = faulty_io->faulty;
    double now = event_now();

    faulty->moved += faulty_io->inner.length;
    if (faulty->moved <= (uint64_t)fault_parameter(rule, "free")->number)
        return 0;
    if (faulty->free_at < now)
        faulty->free_at = now;
    faulty->free_at +=
        (double)faulty_io->inner.length / (double)fault_parameter(rule, "rate")->number;
    return faulty->free_at - now;
}

static void tear(struct faulty_io *faulty_io, const struct fault_rule *rule)
{
    uint64_t keep = (uint64_t)fault_parameter(rule, "keep")->number;

    if (keep < faulty_io->inner.length)
        faulty_io->inner.length = keep;
    faulty_io->is_passed_on &= faulty_io->inner.length > 0;
}

static void misdirect(struct faulty_io *faulty_io, const struct fault_rule *rule)
{
    int64_t to = (int64_t)faulty_io->inner.offset + fault_parameter(rule, "by")->number * BLOCK;

    faulty_io->inner.offset = to > 0 ? (uint64_t)to : 0;
}

static void cache(struct faulty_io *faulty_io)
{
    const struct disk_io *io = &faulty_io->inner;
    struct cached *cached = memory_new(sizeof(*cached) + io->length);

    cached->offset = io->offset;
    cached->length = io->length;
    memcpy(cached->bytes, io->buffer, io->length);
    list_append(&faulty_io->faulty->cache, &cached->link);
    faulty_io->is_passed_on = false;
}

static void lie(struct faulty_io *faulty_io, const struct fault_rule *rule)
{
    struct faulty_disk *faulty = faulty_io->faulty;

    if (faulty_io->inner.operation == DISK_WRITE) {
        cache(faulty_io);
        enter_harm(faulty, rule, faulty_io->outer, "acknowledged, in volatile memory only");
    } else {
        faulty_io->is_passed_on = false;
    }
}

static void apply(struct faulty_io *faulty_io, struct fault_rule *rule, double *delay)
{
    struct disk_io *io = &faulty_io->inner;
    const char *harm = NULL;

    if (fault_is_kind(rule, "disk.latency")) {
        *delay += fault_delay_ms(rule) / 1000;
    } else if (fault_is_kind(rule, "disk.throttle")) {
        *delay += throttle(faulty_io, rule);
    } else if (fault_is_kind(rule, "disk.stuck_bits")) {
        stick(faulty_io, rule);
        harm = "read with stuck bits";
    } else if (fault_is_kind(rule, "disk.corrupt")) {
        change_byte(faulty_io, rule);
        harm = io->operation == DISK_READ ? "read with flipped bits" : "written with flipped bits";
    } else if (fault_is_kind(rule, "disk.lost_write")) {
        faulty_io->is_passed_on = false;
        harm = "acknowledged, not written";
    } else if (fault_is_kind(rule, "disk.torn_write")) {
        tear(faulty_io, rule);
        harm = "only the first part was written";
    } else if (fault_is_kind(rule, "disk.misdirected_write")) {
        misdirect(faulty_io, rule);
        harm = "written elsewhere";
    } else if (fault_is_kind(rule, "disk.lying_flush")) {
        lie(faulty_io, rule);
    } else { /* read_error, write_error, no_space */
        io->error = fault_is_kind(rule, "disk.no_space") ? -ENOSPC : -EIO;
        faulty_io->is_passed_on = false;
    }
    if (harm)
        enter_harm(faulty_io->faulty, rule, faulty_io->outer, harm);
}

/* What the cache asks of requests that no rule has struck: writes go behind what is still to be
 * written; what concerns the whole or takes blocks away waits until all is. */
static void heed_cache(struct faulty_io *faulty_io)
{
    struct faulty_disk *faulty = faulty_io->faulty;
    enum disk_operation operation = faulty_io->inner.operation;

    if (list_is_empty(&faulty->cache) || !faulty_io->is_passed_on || operation == DISK_READ)
        return;
    if (operation == DISK_WRITE) {
        cache(faulty_io);
    } else {
        faulty_io->is_waiting = true;
        drain(faulty);
    }
}

static void start(struct disk *disk, struct disk_io *io)
{
    struct faulty_disk *faulty = faulty_of(disk);
    struct question question = {faulty, io};
    struct fault_point point = point_of(faulty, io);
    struct faulty_io *faulty_io = memory_new(sizeof(*faulty_io));
    struct fault_rule *rule;
    double delay = 0;

    point.accepts = accepts;
    point.what = &question;
    *faulty_io =
        (struct faulty_io){.faulty = faulty, .inner = *io, .outer = io, .is_passed_on = true};
    faulty_io->inner.error = 0;
    faulty_io->inner.done = on_inner_done;
    ev_init(&faulty_io->delay, on_delay);
    list_append(&faulty->under_way, &faulty_io->link);
    if (!faulty->is_settling)
        for (size_t i = 0; (rule = faults_strike(faulty->faults, &point, &i));)
            apply(faulty_io, rule, &delay);
    if (io->operation == DISK_WRITE && !faulty_io->inner.error)
        reassign(faulty, io);
    heed_cache(faulty_io);
    if (faulty_io->is_waiting)
        return;
    if (delay == 0 && faulty_io->is_passed_on) {
        disk_start(faulty->inner, &faulty_io->inner);
        return;
    }
    ev_timer_set(&faulty_io->delay, delay, 0);
    ev_timer_start(faulty->faults->loop, &faulty_io->delay);
}

static bool attempt(struct disk *disk, struct disk_io *io)
{
    (void)disk, (void)io;
    return false; /* whether a rule strikes is decided once, in start */
}

static bool span(struct disk *disk, uint64_t offset, uint64_t length, struct disk_span *span)
{
    (void)disk, (void)offset, (void)length, (void)span;
    return false;
}

static struct disk_space space(struct disk *disk)
{
    return disk_space(faulty_of(disk)->inner);
}

static void forget_healed(struct faulty_disk *faulty, bool all)
{
    LIST_FOR_EACH_SAFE (node, &faulty->healed) {
        struct healed *healed = container_of(node, struct healed, link);

        if (!all && faults_hold(faulty->faults, healed->rule))
            continue;
        list_remove(&healed->link);
        free(healed);
    }
}

static void faulty_free(struct faulty_disk *faulty)
{
    forget_healed(faulty, true);
    LIST_FOR_EACH_SAFE (node, &faulty->cache) {
        list_remove(node);
        free(container_of(node, struct cached, link));
    }
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

    forget_healed(faulty, false);
    if (!faults_match(faulty->faults, &point, "disk.lying_flush"))
        drain(faulty);
    if (faults_need(faulty->faults, FAULT_DISK) || !list_is_empty(&faulty->under_way) ||
        !list_is_empty(&faulty->cache))
        return NULL;
    faulty_free(faulty);
    return inner;
}

void faulty_disk_settle(struct faulty_disk *faulty)
{
    faulty->is_settling = true;
}
