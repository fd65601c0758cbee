/* MODE SENSE of 6 and 10 bytes, SPC-4 6.14 and 6.15. */
#include "target/base/bytes.h"
#include "target/scsi/data.h"
#include "target/scsi/result.h"
#include "target/scsi/runs.h"
#include "target/scsi/unit.h"

#include <string.h>

enum { PAGE_ALL = 0x3f, SUBPAGE_ALL = 0xff, MODE_DATA_MAXIMUM = 8 + 16 + MODE_VALUES_SIZE };
enum page_control { CURRENT, CHANGEABLE, DEFAULT, SAVED };

static size_t put_page(uint8_t *bytes, const struct mode *mode, const struct mode_page *page,
                       enum page_control control)
{
    enum { PS = 0x80, SPF = 0x40 };
    const uint8_t *values[] = {
        [CURRENT] = mode->current + mode_place(page),
        [CHANGEABLE] = page->changeable,
        [DEFAULT] = mode->defaults + mode_place(page),
        [SAVED] = mode->saved + mode_place(page),
    };

    memcpy(bytes, values[control], page->size);
    bytes[0] = PS | page->code;
    if (page->subpage) {
        bytes[0] |= SPF;
        bytes[1] = page->subpage;
        put_be16(bytes + 2, page->size - 4);
    } else {
        bytes[1] = page->size - 2;
    }
    return page->size;
}

static size_t put_pages(uint8_t *bytes, const struct scsi_lun *lun, uint8_t code, uint8_t subpage,
                        enum page_control control)
{
    size_t length = 0;

    for (const struct mode_page *page = NULL; (page = mode_next_page(page));)
        if ((lun->is_thin || !page->needs_thin) && (code == PAGE_ALL || code == page->code) &&
            (subpage == SUBPAGE_ALL || subpage == page->subpage))
            length += put_page(bytes + length, &lun->mode, page, control);
    return length;
}

/* SBC-3 6.5.2 */
static size_t put_block_descriptor(uint8_t *bytes, const struct scsi_lun *lun, bool is_long)
{
    if (is_long) {
        put_be64(bytes, lun->blocks);
        put_be32(bytes + 12, lun->block_size);
        return 16;
    }
    put_be32(bytes, lun->blocks > UINT32_MAX ? UINT32_MAX : (uint32_t)lun->blocks);
    put_be24(bytes + 5, lun->block_size);
    return 8;
}

/* The header of four or of eight bytes, SPC-4 7.5.5. */
static void put_header(uint8_t *bytes, size_t header, size_t length, const struct scsi_lun *lun,
                       size_t descriptor)
{
    enum { WRITE_PROTECTED = 0x80, DPOFUA = 0x10 };
    bool is_protected = lun->is_read_only || lun->mode.is_write_protected;
    uint8_t specific = DPOFUA | (is_protected ? WRITE_PROTECTED : 0);

    if (header == 4) {
        bytes[0] = (uint8_t)(length - 1);
        bytes[2] = specific;
        bytes[3] = (uint8_t)descriptor;
    } else {
        put_be16(bytes, (uint16_t)(length - 2));
        bytes[3] = specific;
        bytes[4] = descriptor == 16; /* LONGLBA */
        put_be16(bytes + 6, (uint16_t)descriptor);
    }
}

uint32_t run_mode_sense(struct scsi_task *task)
{
    enum { LLBAA = 0x10, DBD = 0x08 };
    const struct scsi_lun *lun = task->nexus->lun;
    const uint8_t *cdb = task->cdb;
    bool is_six = cdb[0] >> 5 == 0;
    size_t header = is_six ? 4 : 8, length = header, descriptor = 0;
    uint8_t bytes[MODE_DATA_MAXIMUM] = {0}, code = cdb[2] & 0x3f, subpage = cdb[3];

    if (!(cdb[1] & DBD))
        descriptor = put_block_descriptor(bytes + length, lun, cdb[1] & LLBAA);
    length += descriptor;
    size_t found = put_pages(bytes + length, lun, code, subpage, cdb[2] >> 6);
    if (!found)
        return subpage && (code == PAGE_ALL || mode_find_page(code, 0)) ? result_in_cdb(task, 3, 7)
                                                                        : result_in_cdb(task, 2, 5);
    length += found;

    put_header(bytes, header, length, lun, descriptor);
    memcpy(data_answer(task, length, is_six ? cdb[4] : get_be16(cdb + 7)), bytes, length);
    return SCSI_GOOD;
}
