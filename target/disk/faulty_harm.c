/* What each kind of disk fault does to a request, and which blocks have been written good again. */
#include "target/base/event.h"
#include "target/base/memory.h"
#include "target/disk/faulty_io.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Blocks that were bad and have been written again. */
struct healed {
    struct list link;
    const struct fault_rule *rule; /* only compared */
    uint64_t first, last;
};

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

static bool is_full(const struct fault_rule *rule)
{
    return fault_is_kind(rule, "disk.no_space") || fault_is_kind(rule, "node.disk_full");
}

static bool fails_writes(const struct fault_rule *rule)
{
    return is_full(rule) || fault_is_kind(rule, "disk.write_error");
}

bool faulty_disk_accepts(const struct fault_rule *rule, const void *what)
{
    static const enum disk_operation operations[] = {DISK_READ, DISK_READ, DISK_WRITE, DISK_FLUSH};
    const struct faulty_question *question = what;
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
    return operation == DISK_WRITE || (operation == DISK_ZERO && fails_writes(rule));
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

void faulty_disk_reassign(struct faulty_disk *faulty, const struct disk_io *io)
{
    struct fault_point point = faulty_disk_point_of(faulty, io);
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

void faulty_disk_apply(struct faulty_io *faulty_io, struct fault_rule *rule)
{
    struct disk_io *io = &faulty_io->inner;
    const char *harm = NULL;

    if (fault_is_kind(rule, "disk.latency")) {
        faulty_io->delay_s += fault_delay_ms(rule) / 1000;
    } else if (fault_is_kind(rule, "disk.throttle")) {
        faulty_io->delay_s += throttle(faulty_io, rule);
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
    } else if (fault_is_kind(rule, "disk.stale_write")) {
        faulty_disk_make_stale(faulty_io, rule);
        harm = "written, and reads give what was there before";
    } else if (fault_is_kind(rule, "disk.lying_flush")) {
        faulty_disk_lie(faulty_io, rule);
    } else { /* read_error, write_error, no_space, disk_full */
        io->error = is_full(rule) ? -ENOSPC : -EIO;
        faulty_io->is_passed_on = false;
    }
    if (harm)
        faulty_disk_enter_harm(faulty_io->faulty, rule->id, rule->kind->name, faulty_io->outer,
                               harm);
}

void faulty_disk_forget_healed(struct faulty_disk *faulty, bool all)
{
    LIST_FOR_EACH_SAFE (node, &faulty->healed) {
        struct healed *healed = container_of(node, struct healed, link);

        if (!all && faults_hold(faulty->faults, healed->rule))
            continue;
        list_remove(&healed->link);
        free(healed);
    }
}
