/* The phases, and what the session tells. */
#include "sim-cluster/probe_load.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "sim-cluster/probe_slot.h"
#include "target/base/memory.h"

#define TICK_S 0.01
#define REGION_DEFAULT (UINT64_C(64) << 20)
#define BLOCKS_MAX (UINT64_C(4) << 20)

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

void probe_load_note_answer(struct probe_load *load)
{
    struct probe_stall stall;

    load->answered_us = probe_now_us();
    if (probe_stall_answer(&load->watch, load->answered_us, &stall))
        keep_stall(load, &stall);
}

static void work_all(struct probe_load *load)
{
    uint64_t now_us = probe_now_us();

    for (uint32_t i = 0; i < load->options->depth && load->session.state == SESSION_READY; i++)
        probe_slot_work(&load->slots[i], now_us);
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
    snprintf(why, sizeof why, "the target did not answer for %u ms at the end (%s)",
             load->options->give_up_ms, load->session.why);
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

static void on_refused(struct probe_session_owner *owner, const char *why)
{
    struct probe_load *load = container_of(owner, struct probe_load, session_owner);

    load->figures.errors++;
    load->owner->wrong(load->owner, why);
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
    for (uint32_t i = 0; i < load->options->depth; i++)
        probe_slot_init(&load->slots[i], load);
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
        .refused = on_refused,
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
        probe_slot_free(&load->slots[i]);
    free(load->slots);
    free(load->busy);
    free(load->sector);
    free(load->figures.stalls);
    free(load->figures.timeline.steps);
    probe_model_free(load->model);
}
