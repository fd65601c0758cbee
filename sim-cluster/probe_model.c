/* The blocks' history as far as it matters, and the judgement. */
#include "sim-cluster/probe_model.h"

#include <assert.h>
#include <stdlib.h>

#include "target/base/memory.h"

#define DOUBTS_MAX 4
#define BEFORE_US 0 /* the sequence number of whatever was there before this run */

struct block {
    uint64_t known;              /* the write that is there, unless `sectors` says otherwise */
    uint64_t doubts[DOUBTS_MAX]; /* writes that may be there instead */
    uint64_t *sectors;           /* owned; of a write in doubt only some sectors were there */
    uint8_t doubt_count, faults;
};

struct probe_model {
    uint64_t blocks, last_sequence;
    unsigned sectors_per_block;
    struct probe_counts counts;
    struct block block[];
};

enum match { MATCH_RIGHT, MATCH_OLD, MATCH_BROKEN, MATCH_FOREIGN };

struct probe_model *probe_model_new(uint64_t blocks, unsigned sectors_per_block)
{
    struct probe_model *model = memory_new(sizeof *model + blocks * sizeof model->block[0]);

    model->blocks = blocks;
    model->sectors_per_block = sectors_per_block;
    return model;
}

void probe_model_free(struct probe_model *model)
{
    for (uint64_t i = 0; model && i < model->blocks; i++)
        free(model->block[i].sectors);
    free(model);
}

bool probe_model_is_written(const struct probe_model *model, uint64_t block)
{
    const struct block *b = &model->block[block];

    return b->known || b->doubt_count || b->sectors || b->faults;
}

bool probe_model_can_write(const struct probe_model *model, uint64_t block)
{
    return model->block[block].doubt_count < DOUBTS_MAX;
}

uint64_t probe_model_begin_write(struct probe_model *model, uint64_t block)
{
    struct block *b = &model->block[block];

    assert(b->doubt_count < DOUBTS_MAX);
    b->doubts[b->doubt_count++] = ++model->last_sequence;
    return model->last_sequence;
}

static void forget_sectors(struct block *b)
{
    free(b->sectors);
    b->sectors = NULL;
}

void probe_model_acknowledge(struct probe_model *model, uint64_t block, uint64_t sequence)
{
    struct block *b = &model->block[block];

    b->known = sequence;
    b->doubt_count = 0;
    forget_sectors(b);
}

static uint64_t expected_in(const struct block *b, unsigned sector)
{
    return b->sectors ? b->sectors[sector] : b->known;
}

static bool is_in_doubt(const struct block *b, uint64_t sequence)
{
    for (unsigned i = 0; i < b->doubt_count; i++) {
        if (b->doubts[i] == sequence)
            return true;
    }
    return false;
}

static enum match match_sector(const struct block *b, uint64_t expected,
                               const struct probe_sector *found)
{
    switch (found->content) {
    case CONTENT_OURS:
        return found->sequence == expected || is_in_doubt(b, found->sequence) ? MATCH_RIGHT
                                                                              : MATCH_OLD;
    case CONTENT_MISPLACED:
        return MATCH_FOREIGN;
    case CONTENT_BROKEN:
        return expected == BEFORE_US && !b->doubt_count ? MATCH_RIGHT : MATCH_BROKEN;
    case CONTENT_BLANK:
    case CONTENT_EARLIER:
        return expected == BEFORE_US ? MATCH_RIGHT : MATCH_OLD;
    default:
        return expected == BEFORE_US ? MATCH_RIGHT : MATCH_FOREIGN;
    }
}

static uint64_t sequence_of(const struct probe_sector *found)
{
    return found->content == CONTENT_OURS ? found->sequence : BEFORE_US;
}

/* Old sectors beside right ones, or of several writes: torn. All of one write: that write is back.
 */
static unsigned judge_old(const struct probe_model *model, const struct probe_sector *sectors,
                          unsigned old, bool at_end)
{
    if (old < model->sectors_per_block)
        return PROBE_TORN;
    for (unsigned i = 1; i < model->sectors_per_block; i++) {
        if (sequence_of(&sectors[i]) != sequence_of(&sectors[0]))
            return PROBE_TORN;
    }
    return at_end ? PROBE_LOST : PROBE_STALE;
}

/* The block is as it may be: what was in doubt is settled by what was read. */
static void settle(const struct probe_model *model, struct block *b,
                   const struct probe_sector *sectors)
{
    bool whole = true;

    if (!b->doubt_count)
        return;
    b->doubt_count = 0;
    for (unsigned i = 1; i < model->sectors_per_block; i++)
        whole = whole && sequence_of(&sectors[i]) == sequence_of(&sectors[0]);
    b->known = sequence_of(&sectors[0]);
    forget_sectors(b);
    if (whole && b->known)
        return;
    b->sectors = memory_new(model->sectors_per_block * sizeof *b->sectors);
    for (unsigned i = 0; i < model->sectors_per_block; i++)
        b->sectors[i] = sequence_of(&sectors[i]);
}

static void count(struct probe_counts *counts, struct block *b, unsigned faults)
{
    unsigned fresh = faults & ~b->faults;

    b->faults |= (uint8_t)faults;
    counts->lost += !!(fresh & PROBE_LOST);
    counts->stale += !!(fresh & PROBE_STALE);
    counts->torn += !!(fresh & PROBE_TORN);
    counts->foreign += !!(fresh & PROBE_FOREIGN);
}

struct probe_verdict probe_model_check(struct probe_model *model, uint64_t block,
                                       const struct probe_sector *sectors, bool at_end)
{
    struct block *b = &model->block[block];
    struct probe_verdict verdict = {0};
    unsigned old = 0;

    for (unsigned i = 0; i < model->sectors_per_block; i++) {
        enum match match = match_sector(b, expected_in(b, i), &sectors[i]);

        if (match != MATCH_RIGHT && !verdict.faults && !old) {
            verdict.sector = i;
            verdict.expected = expected_in(b, i);
            verdict.found = sectors[i];
        }
        old += match == MATCH_OLD;
        verdict.faults |= match == MATCH_BROKEN ? PROBE_TORN : 0;
        verdict.faults |= match == MATCH_FOREIGN ? PROBE_FOREIGN : 0;
    }
    if (old)
        verdict.faults |= judge_old(model, sectors, old, at_end);
    if (verdict.faults)
        count(&model->counts, b, verdict.faults);
    else
        settle(model, b, sectors);
    return verdict;
}

struct probe_counts probe_model_counts(const struct probe_model *model)
{
    return model->counts;
}
