/* Which block is next, what is sent, what became of it. */
#include "sim-cluster/probe_slot.h"

#include <stdio.h>
#include <stdlib.h>

#include "sim-cluster/probe_load.h"
#include "sim-cluster/probe_report.h"
#include "target/base/memory.h"

#define BUSY_RETRY_US 20000
#define PICKS_MAX 8 /* tries for a free block, and for one that was written */

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
    probe_timeline_add(&load->figures.timeline, probe_now_us() - load->started_us, took_us);
    probe_histogram_add(&load->figures.recent_us, took_us);
}

static void release(struct probe_slot *slot)
{
    slot->state = SLOT_IDLE;
    slot->load->busy[slot->block] = false;
    slot->load->working--;
}

/* Under a new number, so that a late copy of the lost write would not pass for this one. */
static void write_again(struct probe_slot *slot)
{
    struct probe_model *model = slot->load->model;

    slot->is_settling = false;
    if (probe_model_can_write(model, slot->block))
        slot->sequence = probe_model_begin_write(model, slot->block);
    submit(slot);
}

static void on_good(struct probe_slot *slot)
{
    probe_load_note_answer(slot->load);
    if (!slot->io.is_write)
        check(slot);
    if (slot->is_settling) {
        write_again(slot);
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

    probe_load_note_answer(load);
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

void probe_slot_work(struct probe_slot *slot, uint64_t now_us)
{
    if (slot->state == SLOT_WAITING && now_us >= slot->retry_us)
        submit(slot);
    else if (slot->state == SLOT_IDLE)
        work(slot);
}

void probe_slot_init(struct probe_slot *slot, struct probe_load *load)
{
    uint32_t size = load->options->block_bytes;

    *slot = (struct probe_slot){.load = load};
    slot->io = (struct probe_io){.length = size, .data = memory_new(size), .done = on_done};
}

void probe_slot_free(struct probe_slot *slot)
{
    free(slot->io.data);
}
