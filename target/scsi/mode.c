/* MODE SENSE of 6 and 10 bytes, SPC-4 6.14 and 6.15: the mode pages, one row each. Nothing can be
 * changed. */
#include "target/base/bytes.h"
#include "target/scsi/data.h"
#include "target/scsi/result.h"
#include "target/scsi/runs.h"
#include "target/scsi/unit.h"

#include <string.h>

enum { PAGE_ALL = 0x3f, SUBPAGE_ALL = 0xff, MODE_DATA_MAXIMUM = 256 };
enum page_control { CURRENT, CHANGEABLE, DEFAULT, SAVED };

/* In ascending order. */
static const struct mode_page {
    uint8_t code, length; /* bytes after the page's first two */
    uint8_t content[10];  /* the beginning of those; the rest is zero */
} pages[] = {
    {0x08, 0x12, {0x04}}, /* caching, SBC-3 6.4.5: WCE */
    {0x0a,
     0x0a,
     {0, 0x10, 0, 0, 0, 0, 0xff, 0xff}}, /* control, SPC-4 7.5.8: commands in any order */
    {0x1a, 0x26, {0}},                   /* power condition, SPC-4 7.5.13 */
    {0x1c, 0x0a, {0}},                   /* informational exceptions, SBC-3 6.4.8 */
};

static size_t put_page(uint8_t *bytes, const struct mode_page *page, enum page_control control)
{
    bytes[0] = page->code;
    bytes[1] = page->length;
    if (control != CHANGEABLE)
        memcpy(bytes + 2, page->content, sizeof page->content);
    return 2 + (size_t)page->length;
}

static size_t put_pages(uint8_t *bytes, uint8_t code, enum page_control control)
{
    size_t length = 0;

    for (size_t i = 0; i < sizeof pages / sizeof pages[0]; i++)
        if (code == PAGE_ALL || code == pages[i].code)
            length += put_page(bytes + length, &pages[i], control);
    return length;
}

/* SBC-3 6.4.2 */
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
    uint8_t specific = DPOFUA | (lun->is_read_only ? WRITE_PROTECTED : 0);

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
    const uint8_t *cdb = task->cdb;
    bool is_six = cdb[0] >> 5 == 0;
    size_t header = is_six ? 4 : 8, length = header, descriptor = 0;
    uint8_t bytes[MODE_DATA_MAXIMUM] = {0}, code = cdb[2] & 0x3f, subpage = cdb[3];
    enum page_control control = cdb[2] >> 6;

    if (control == SAVED)
        return SCSI_SAVING_NOT_SUPPORTED;
    if (subpage != 0 && subpage != SUBPAGE_ALL)
        return result_in_cdb(task, 3, 7);
    if (!(cdb[1] & DBD))
        descriptor = put_block_descriptor(bytes + length, task->nexus->lun, cdb[1] & LLBAA);
    length += descriptor;
    size_t found = put_pages(bytes + length, code, control);
    if (!found)
        return result_in_cdb(task, 2, 5);
    length += found;

    put_header(bytes, header, length, task->nexus->lun, descriptor);
    memcpy(data_answer(task, length, is_six ? cdb[4] : get_be16(cdb + 7)), bytes, length);
    return SCSI_GOOD;
}
