/* MODE SELECT of 6 and 10 bytes, SPC-4 6.12 and 6.13: the whole list is checked, then all of it is
 * in force, or nothing. */
#include "target/base/bytes.h"
#include "target/scsi/data.h"
#include "target/scsi/result.h"
#include "target/scsi/runs.h"
#include "target/scsi/step.h"
#include "target/scsi/unit.h"

#include <string.h>

static bool is_six(const struct scsi_task *task)
{
    return task->cdb[0] >> 5 == 0;
}

/* The block descriptor must say what is so: neither size can be changed, SBC-3 6.5.2. No blocks or
 * all ones: as it is. */
static uint32_t check_block_descriptor(struct scsi_task *task, size_t place, size_t length)
{
    const struct scsi_lun *lun = task->nexus->lun;
    const uint8_t *bytes = task->parameters + place;
    bool is_long = length == 16;
    uint64_t blocks = is_long ? get_be64(bytes) : get_be32(bytes);
    uint64_t all_ones = is_long ? UINT64_MAX : UINT32_MAX;
    uint32_t block_size = is_long ? get_be32(bytes + 12) : get_be24(bytes + 5);

    if (blocks && blocks != all_ones && blocks != lun->blocks)
        return result_in_list(task, (unsigned)place, WHOLE_BYTE);
    if (block_size != lun->block_size)
        return result_in_list(task, (unsigned)place + (is_long ? 12 : 5), WHOLE_BYTE);
    return SCSI_GOOD;
}

/* Header and block descriptor; *place is where the pages begin. */
static uint32_t check_header(struct scsi_task *task, size_t *place)
{
    enum { LONGLBA = 0x01 };
    const uint8_t *bytes = task->parameters;
    size_t header = is_six(task) ? 4 : 8;
    size_t length, expected;

    if (task->received < header)
        return SCSI_LIST_LENGTH_ERROR;
    if (bytes[is_six(task) ? 1 : 2]) /* medium type */
        return result_in_list(task, is_six(task) ? 1 : 2, WHOLE_BYTE);
    length = is_six(task) ? bytes[3] : get_be16(bytes + 6);
    expected = !is_six(task) && bytes[4] & LONGLBA ? 16 : 8;
    *place = header + length;
    if (length && length != expected)
        return result_in_list(task, is_six(task) ? 3 : 6, WHOLE_BYTE);
    if (*place > task->received)
        return SCSI_LIST_LENGTH_ERROR;
    return length ? check_block_descriptor(task, header, length) : SCSI_GOOD;
}

/* Values that fit their fields and mean nothing here: QERR 10b, and the methods of reporting
 * (MRIE) but none, unit attention and on request. */
static uint32_t check_values(struct scsi_task *task, const struct mode_page *page, size_t place)
{
    enum { QERR = 0x06, QERR_RESERVED = 0x04, MRIE = 0x0f };
    enum { METHODS = 1 << MRIE_NONE | 1 << MRIE_ATTENTION | 1 << MRIE_ON_REQUEST };
    const uint8_t *bytes = task->parameters + place;

    if (page->code == 0x0a && !page->subpage && (bytes[3] & QERR) == QERR_RESERVED)
        return result_in_list(task, (unsigned)place + 3, 2);
    if (page->code == 0x1c && !page->subpage && !(METHODS >> (bytes[3] & MRIE) & 1))
        return result_in_list(task, (unsigned)place + 3, 3);
    return SCSI_GOOD;
}

/* Takes one page's bytes over; only what can be changed may differ. */
static uint32_t take_page(struct scsi_task *task, const struct mode_page *page, size_t place,
                          struct mode *mode)
{
    const uint8_t *bytes = task->parameters + place;
    uint8_t *values = mode->current + mode_place(page);

    for (size_t i = page->subpage ? 4 : 2; i < page->size; i++) {
        unsigned wrong = (bytes[i] ^ values[i]) & ~page->changeable[i] & 0xffu;

        if (wrong)
            return result_in_list(task, (unsigned)(place + i), 31 - (unsigned)__builtin_clz(wrong));
        values[i] = bytes[i];
    }
    return check_values(task, page, place);
}

/* *place goes on behind the page. */
static uint32_t check_page(struct scsi_task *task, size_t *place, struct mode *mode)
{
    enum { SPF = 0x40, CODE = 0x3f };
    const uint8_t *bytes = task->parameters + *place;
    size_t left = task->received - *place, header = bytes[0] & SPF ? 4 : 2, size;
    const struct mode_page *page;
    uint32_t result;

    if (left < header)
        return SCSI_LIST_LENGTH_ERROR;
    page = mode_find_page(bytes[0] & CODE, bytes[0] & SPF ? bytes[1] : 0);
    if (!page || (page->subpage != 0) != (header == 4) ||
        (page->needs_thin && !task->nexus->lun->is_thin))
        return result_in_list(task, (unsigned)*place, 5);
    size = header + (header == 4 ? get_be16(bytes + 2) : bytes[1]);
    if (size != page->size)
        return result_in_list(task, (unsigned)*place + (header == 4 ? 2 : 1), WHOLE_BYTE);
    if (size > left)
        return SCSI_LIST_LENGTH_ERROR;
    result = take_page(task, page, *place, mode);
    *place += size;
    return result;
}

static bool is_saving(const struct scsi_task *task)
{
    enum { SP = 0x01 };

    return task->cdb[1] & SP;
}

/* *before: what was in force. */
static uint32_t apply(struct scsi_task *task, struct mode *before)
{
    struct scsi_lun *lun = task->nexus->lun;
    struct mode mode = lun->mode;
    size_t place = 0;
    uint32_t result = task->received < task->parameters_size ? SCSI_LIST_LENGTH_ERROR
                                                             : check_header(task, &place);

    while (!result && place < task->received)
        result = check_page(task, &place, &mode);
    if (result)
        return result;
    if (is_saving(task))
        memcpy(mode.saved, mode.current, sizeof mode.saved);
    mode_obey(&mode);
    *before = lun->mode;
    lun->mode = mode;
    return SCSI_GOOD;
}

static void follow(struct scsi_task *task, const struct mode *before)
{
    struct scsi_lun *lun = task->nexus->lun;

    /* What the cache holds is written before it is off, SBC-3 6.5.5. */
    task->then = before->has_write_cache && !lun->mode.has_write_cache ? step_flush : NULL;
    if (memcmp(lun->mode.current, before->current, sizeof before->current))
        attention_add_others(task->nexus, SCSI_MODE_CHANGED);
    if (memcmp(lun->mode.thresholds, before->thresholds, sizeof before->thresholds))
        lun->space = (struct space){{false}};
    if (mode_has_test_attention(&lun->mode) && !mode_has_test_attention(before))
        attention_add_all(lun, SCSI_FAILURE_PREDICTED);
}

static uint32_t apply_saved(struct scsi_task *task)
{
    return apply(task, &task->nexus->lun->mode_before);
}

static void settle(struct scsi_task *task, bool is_saved)
{
    struct scsi_lun *lun = task->nexus->lun;

    if (is_saved)
        follow(task, &lun->mode_before);
    else
        lun->mode = lun->mode_before;
}

/* The list has come. */
static uint32_t select_pages(struct scsi_task *task)
{
    struct mode before;
    uint32_t result;

    if (is_saving(task))
        return store_change(task, apply_saved, settle);
    result = apply(task, &before);
    if (!result)
        follow(task, &before);
    return result;
}

uint32_t run_mode_select(struct scsi_task *task)
{
    enum { PF = 0x10 };
    size_t length = is_six(task) ? task->cdb[4] : get_be16(task->cdb + 7);

    if (!(task->cdb[1] & PF))
        return result_in_cdb(task, 1, 4);
    if (length)
        data_collect(task, length, select_pages);
    return SCSI_GOOD;
}
