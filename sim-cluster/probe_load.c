/* Slots: each works on one block at a time, and no two on the same one. A write whose status was
 * lost is first read back, which settles what became of it, and then sent again. */
#include "sim-cluster/probe_load.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "sim-cluster/probe_report.h"
#include "target/base/memory.h"

#define TICK_S 0.01
#define BUSY_RETRY_US 20000
#define REGION_DEFAULT (UINT64_C(64) << 20)
#define BLOCKS_MAX (UINT64_C(4) << 20)
#define PICKS_MAX 8 /* tries for a free block, and for one that was written */

enum slot_state { SLOT_IDLE, SLOT_SENT, SLOT_WAITING };

struct probe_slot {
    struct probe_io io;
    struct probe_load *load; /* parent: outlives us */
    enum slot_state state;
    bool is_write, is_settling; /* a write that is read back before it is sent again */
    uint64_t block, sequence, begun_us, retry_us;
};

static void work(struct probe_slot *slot);

/* splitmix64 */
static uint64_t next_random(struct probe_load *load)
{
    uint64_t z = load->random += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static uint64_t first_sector(const struct probe_slot *slot)
{
    return slot->block * slot->load->sectors_per_block;
}

static void submit(struct probe_slot *slot)
{
    struct probe_load *load = slot->load;

    slot->io.is_write = slot->is_write && !slot->is_settling;
    slot->io.offset = slot->block * load->options->block_bytes;
    if (slot->io.is_write)
        probe_stamp_write(slot->io.data, load->sectors_per_block, &load->stamp, first_sector(slot),
                          slot->sequence);
    slot->state = SLOT_SENT;
    probe_session_send(&load->session, &slot->io);
}

static void finish(struct probe_load *load, const char *not_verified)
{
    if (load->phase == PHASE_DONE)
        return;
    if (load->phase < PHASE_DRAIN && load->started_us)
        load->figures.load_us = probe_now_us() - load->started_us;
    if (not_verified)
        snprintf(load->figures.not_verified, sizeof load->figures.not_verified, "%s", not_verified);
    load->phase = PHASE_DONE;
    probe_session_stop(&load->session);
}

static void keep_stall(struct probe_load *load, const struct probe_stall *stall)
{
    struct probe_figures *figures = &load->figures;

    figures->stalls =
        memory_resize(figures->stalls, (figures->stall_count + 1) * sizeof figures->stalls[0]);
    figures->stalls[figures->stall_count++] = *stall;
    load->owner->stalled(load->owner, stall);
}

static void note_answer(struct probe_load *load)
{
    struct probe_stall stall;

    load->answered_us = probe_now_us();
    if (probe_stall_answer(&load->watch, load->answered_us, &stall))
        keep_stall(load, &stall);
}

static void check(struct probe_slot *slot)
{
    struct probe_load *load = slot->load;
    struct probe_verdict verdict;

    for (unsigned i = 0; i < load->sectors_per_block; i++)
        load->sector[i] = probe_stamp_read(slot->io.data + i * PROBE_SECTOR_SIZE, &load->stamp,
                                           first_sector(slot) + i);
    verdict =
        probe_model_check(load->model, slot->block, load->sector, load->phase == PHASE_VERIFY);
    if (verdict.faults) {
        char sentence[PROBE_SENTENCE_SIZE];

        load->owner->wrong(load->owner,
                           probe_describe_fault(sentence, &verdict, first_sector(slot)));
    }
}

static void count_operation(struct probe_slot *slot)
{
    struct probe_load *load = slot->load;
    uint64_t took_us = load->answered_us - slot->begun_us;

    if (load->phase == PHASE_VERIFY) {
        load->figures.blocks_verified++;
        return;
    }
    load->figures.operations++;
    load->figures.bytes += load->options->block_bytes;
    load->figures.recent_bytes += load->options->block_bytes;
    probe_histogram_add(&load->figures.latency_us, took_us);
    probe_histogram_add(&load->figures.recent_us, took_us);
}

static void release(struct probe_slot *slot)
{
    slot->state = SLOT_IDLE;
    slot->load->busy[slot->block] = false;
    slot->load->working--;
}

static void on_good(struct probe_slot *slot)
{
    note_answer(slot->load);
    if (!slot->io.is_write)
        check(slot);
    if (slot->is_settling) {
        slot->is_settling = false;
        submit(slot);
        return;
    }
    if (slot->is_write)
        probe_model_acknowledge(slot->load->model, slot->block, slot->sequence);
    count_operation(slot);
    release(slot);
    work(slot);
}

static void on_failed(struct probe_slot *slot, const char *why)
{
    struct probe_load *load = slot->load;
    char sentence[PROBE_WHY_SIZE + 64];

    note_answer(load);
    load->figures.errors++;
    snprintf(sentence, sizeof sentence, "%s of byte %llu failed: %s",
             slot->io.is_write ? "write" : "read", (unsigned long long)slot->io.offset, why);
    load->owner->wrong(load->owner, sentence);
    if (load->phase == PHASE_VERIFY)
        snprintf(load->figures.not_verified, sizeof load->figures.not_verified, "a %s", sentence);
    release(slot);
    work(slot);
}

static void on_done(struct probe_io *io, enum probe_outcome outcome, const char *why)
{
    struct probe_slot *slot = container_of(io, struct probe_slot, io);

    switch (outcome) {
    case OUTCOME_DONE:
        on_good(slot);
        break;
    case OUTCOME_AGAIN:
        slot->load->figures.retries++;
        submit(slot);
        break;
    case OUTCOME_BUSY:
        slot->load->figures.retries++;
        slot->state = SLOT_WAITING;
        slot->retry_us = probe_now_us() + BUSY_RETRY_US;
        break;
    case OUTCOME_LOST:
        slot->state = SLOT_WAITING;
        slot->retry_us = 0;
        slot->is_settling = slot->is_write;
        break;
    case OUTCOME_FAILED:
        on_failed(slot, why);
        break;
    }
}

/* A free block; a written one if one is easily found and wanted. false: none. */
static bool pick_block(struct probe_load *load, bool want_written, uint64_t *picked)
{
    bool found = false;

    for (int i = 0; i < PICKS_MAX; i++) {
        uint64_t block = next_random(load) % load->blocks;

        if (load->busy[block])
            continue;
        *picked = block;
        found = true;
        if (!want_written || probe_model_is_written(load->model, block))
            break;
    }
    return found;
}

static bool take_random(struct probe_slot *slot)
{
    struct probe_load *load = slot->load;

    slot->is_write = next_random(load) % 100 >= load->options->read_percent;
    if (!pick_block(load, !slot->is_write, &slot->block))
        return false;
    if (slot->is_write && !probe_model_can_write(load->model, slot->block))
        slot->is_write = false;
    if (slot->is_write) {
        load->figures.blocks_written += !probe_model_is_written(load->model, slot->block);
        slot->sequence = probe_model_begin_write(load->model, slot->block);
    }
    return true;
}

static bool take_written(struct probe_slot *slot)
{
    struct probe_load *load = slot->load;

    while (load->cursor < load->blocks && !probe_model_is_written(load->model, load->cursor))
        load->cursor++;
    slot->is_write = false;
    slot->block = load->cursor++;
    return slot->block < load->blocks;
}

/* Takes something to do, if there is something and the disk is there. */
static void work(struct probe_slot *slot)
{
    struct probe_load *load = slot->load;
    bool taken = false;

    if (load->session.state != SESSION_READY)
        return;
    if (load->phase == PHASE_LOAD)
        taken = take_random(slot);
    else if (load->phase == PHASE_VERIFY)
        taken = take_written(slot);
    if (!taken)
        return;
    slot->is_settling = false;
    slot->begun_us = probe_now_us();
    load->busy[slot->block] = true;
    load->working++;
    submit(slot);
}

static void work_all(struct probe_load *load)
{
    uint64_t now_us = probe_now_us();

    for (uint32_t i = 0; i < load->options->depth && load->session.state == SESSION_READY; i++) {
        struct probe_slot *slot = &load->slots[i];

        if (slot->state == SLOT_WAITING && now_us >= slot->retry_us)
            submit(slot);
        else if (slot->state == SLOT_IDLE)
            work(slot);
    }
}

static void end_load(struct probe_load *load)
{
    load->figures.load_us = probe_now_us() - load->started_us;
    load->answered_us = probe_now_us();
    load->phase = PHASE_DRAIN;
}

static void check_patience(struct probe_load *load, uint64_t now_us)
{
    uint64_t limit_us = (uint64_t)load->options->give_up_ms * 1000;
    char why[PROBE_WHY_SIZE * 2];

    if (load->phase <= PHASE_LOAD || now_us < load->answered_us + limit_us)
        return;
    snprintf(why, sizeof why, "the target did not answer for %u s at the end (%s)",
             load->options->give_up_ms / 1000, load->session.why);
    finish(load, why);
}

static void on_tick(struct ev_loop *loop, ev_timer *watcher, int events)
{
    (void)loop, (void)events;
    struct probe_load *load = container_of(watcher, struct probe_load, tick);
    uint64_t now_us = probe_now_us();

    if (load->phase == PHASE_LOAD &&
        now_us - load->started_us >= load->options->seconds * 1000000ull)
        end_load(load);
    if (load->phase == PHASE_DRAIN && !load->working)
        load->phase = PHASE_VERIFY;
    if (load->phase < PHASE_DONE)
        work_all(load);
    if (load->phase == PHASE_VERIFY && !load->working && load->cursor >= load->blocks)
        finish(load, NULL);
    check_patience(load, now_us);
}

/* The geometry is known now. NULL, or why this cannot be loaded. */
static const char *set_up(struct probe_load *load)
{
    const struct probe_options *options = load->options;
    uint64_t disk = load->session.disk_bytes;
    uint64_t region = options->region_bytes ? options->region_bytes : REGION_DEFAULT;

    if (options->block_bytes % load->session.block_size)
        return "--block is not a multiple of the disk's logical block size";
    if (options->region_bytes > disk)
        return "--region is larger than the disk";
    load->blocks = (region < disk ? region : disk) / options->block_bytes;
    if (!load->blocks)
        return "the region is smaller than one block";
    if (load->blocks > BLOCKS_MAX)
        return "--region holds more than 4194304 blocks: make it smaller or --block larger";
    load->model = probe_model_new(load->blocks, load->sectors_per_block);
    load->busy = memory_new(load->blocks * sizeof *load->busy);
    load->started_us = load->answered_us = probe_now_us();
    probe_stall_start(&load->watch, options->stall_ms * 1000ull, load->started_us);
    load->phase = PHASE_LOAD;
    return NULL;
}

static void on_ready(struct probe_session_owner *owner)
{
    struct probe_load *load = container_of(owner, struct probe_load, session_owner);
    const char *why = load->phase == PHASE_CONNECT ? set_up(load) : NULL;

    if (why) {
        load->owner->wrong(load->owner, why);
        finish(load, why);
        return;
    }
    load->figures.reconnects = load->session.logins - 1;
    work_all(load);
}

static void on_stage(struct probe_session_owner *owner, enum probe_stage stage, const char *why)
{
    struct probe_load *load = container_of(owner, struct probe_load, session_owner);

    if (load->phase > PHASE_CONNECT && load->phase < PHASE_DONE)
        probe_stall_note(&load->watch, stage, why, probe_now_us());
}

static void on_session_failed(struct probe_session_owner *owner, const char *why)
{
    struct probe_load *load = container_of(owner, struct probe_load, session_owner);
    char sentence[PROBE_WHY_SIZE * 2 + ADDRESS_TEXT_SIZE];

    snprintf(sentence, sizeof sentence, "no session with the target at %s: %s",
             load->options->portal, why);
    load->owner->wrong(load->owner, sentence);
    finish(load, sentence);
}

static void on_session_stopped(struct probe_session_owner *owner)
{
    struct probe_load *load = container_of(owner, struct probe_load, session_owner);
    struct probe_stall stall;

    if (load->figures.not_verified[0] && load->model &&
        probe_stall_stop(&load->watch, probe_now_us(), &stall))
        keep_stall(load, &stall);
    ev_timer_stop(load->loop, &load->tick);
    load->owner->finished(load->owner);
}

static void make_slots(struct probe_load *load)
{
    load->slots = memory_new(load->options->depth * sizeof *load->slots);
    for (uint32_t i = 0; i < load->options->depth; i++) {
        load->slots[i].load = load;
        load->slots[i].io = (struct probe_io){.length = load->options->block_bytes,
                                              .data = memory_new(load->options->block_bytes),
                                              .done = on_done};
    }
}

/* A run's number: milliseconds since 1970, so that later runs have larger ones, and 20 bits of
 * chance. */
static uint64_t run_number(void)
{
    struct timespec now;
    uint32_t chance = 0;

    clock_gettime(CLOCK_REALTIME, &now);
    (void)!getrandom(&chance, sizeof chance, 0);
    return ((uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000) << 20 |
           (chance & 0xfffff);
}

void probe_load_start(struct probe_load *load, struct ev_loop *loop,
                      const struct probe_options *options, struct probe_load_owner *owner)
{
    *load = (struct probe_load){.loop = loop, .options = options, .owner = owner};
    load->session_owner = (struct probe_session_owner){
        .ready = on_ready,
        .stage = on_stage,
        .failed = on_session_failed,
        .stopped = on_session_stopped,
    };
    load->stamp.run = run_number();
    load->stamp.target = probe_stamp_hash(options->target);
    load->random = options->seed;
    load->sectors_per_block = options->block_bytes / PROBE_SECTOR_SIZE;
    load->sector = memory_new(load->sectors_per_block * sizeof *load->sector);
    make_slots(load);
    ev_timer_init(&load->tick, on_tick, TICK_S, TICK_S);
    ev_timer_start(loop, &load->tick);
    probe_session_start(&load->session, loop, options, &load->session_owner);
}

void probe_load_stop(struct probe_load *load)
{
    if (load->phase == PHASE_LOAD && !load->is_stopping)
        end_load(load);
    else if (load->phase == PHASE_CONNECT || load->is_stopping)
        finish(load, "interrupted");
    load->is_stopping = true;
}

void probe_load_free(struct probe_load *load)
{
    for (uint32_t i = 0; i < load->options->depth; i++)
        free(load->slots[i].io.data);
    free(load->slots);
    free(load->busy);
    free(load->sector);
    free(load->figures.stalls);
    probe_model_free(load->model);
}
