/* LOG SENSE and LOG SELECT, SPC-4 6.6 and 6.5: the log pages, one row each. */
#include "target/base/bytes.h"
#include "target/scsi/data.h"
#include "target/scsi/result.h"
#include "target/scsi/runs.h"
#include "target/scsi/unit.h"

#include <string.h>

enum { LOG_PAGE_MAXIMUM = 256, PAGE_HEADER = 4, PARAMETER_HEADER = 4, SUBPAGE_ALL = 0xff };
enum { TEMPERATURE_C = 28, REFERENCE_TEMPERATURE_C = 60 };

/* The parameters of a page, in ascending order; returns where they end. `bytes` is zeroed. */
typedef uint8_t *fill_page(const struct scsi_lun *lun, uint8_t *bytes);

static fill_page fill_supported_pages, fill_supported_subpages, fill_provisioning, fill_temperature,
    fill_background_scan, fill_statistics, fill_exceptions;

/* In ascending order. */
static const struct log_page {
    uint8_t code, subpage;
    fill_page *fill;
    bool needs_thin; /* only a thinly provisioned logical unit has it */
} pages[] = {
    {0x00, 0x00, fill_supported_pages, false},    /* SPC-4 7.3.18 */
    {0x00, 0xff, fill_supported_subpages, false}, /* SPC-4 7.3.19 */
    {0x0c, 0x00, fill_provisioning, true},        /* SBC-3 6.4.5 */
    {0x0d, 0x00, fill_temperature, false},        /* SPC-4 7.3.20 */
    {0x15, 0x00, fill_background_scan, false},    /* SBC-3 6.4.2 */
    {0x19, 0x00, fill_statistics, false},         /* SPC-4 7.3.9 */
    {0x2f, 0x00, fill_exceptions, false},         /* SPC-4 7.3.10 */
};

enum { PAGE_COUNT = sizeof pages / sizeof pages[0] };

static bool is_there(const struct log_page *page, const struct scsi_lun *lun)
{
    return lun->is_thin || !page->needs_thin;
}

static uint8_t *fill_supported_pages(const struct scsi_lun *lun, uint8_t *bytes)
{
    for (size_t i = 0; i < PAGE_COUNT; i++)
        if (!pages[i].subpage && is_there(&pages[i], lun))
            *bytes++ = pages[i].code;
    return bytes;
}

static uint8_t *fill_supported_subpages(const struct scsi_lun *lun, uint8_t *bytes)
{
    for (size_t i = 0; i < PAGE_COUNT; i++) {
        if (!is_there(&pages[i], lun))
            continue;
        *bytes++ = pages[i].code;
        *bytes++ = pages[i].subpage;
    }
    return bytes;
}

/* A parameter with `length` bytes of content, which *content finds; returns where it ends. */
static uint8_t *put_parameter(uint8_t *bytes, uint16_t code, uint8_t length, uint8_t **content)
{
    enum { BINARY_LIST = 0x03 };

    put_be16(bytes, code);
    bytes[2] = BINARY_LIST;
    bytes[3] = length;
    *content = bytes + PARAMETER_HEADER;
    return *content + length;
}

/* SBC-3 6.4.5: resource counts in threshold sets. */
static uint8_t *fill_provisioning(const struct scsi_lun *lun, uint8_t *bytes)
{
    enum { AVAILABLE = 0x0001, USED = 0x0002, LENGTH = 8, SCOPE_DEDICATED = 1, SCOPE_SHARED = 2 };
    struct disk_space space = disk_space(lun->order.disk);
    uint8_t *content;

    bytes = put_parameter(bytes, AVAILABLE, LENGTH, &content);
    put_be32(content, space_available_sets(lun, &space));
    content[4] = space.is_shared ? SCOPE_SHARED : SCOPE_DEDICATED;
    bytes = put_parameter(bytes, USED, LENGTH, &content);
    put_be32(content, space_used_sets(lun, &space));
    content[4] = SCOPE_DEDICATED;
    return bytes;
}

static uint8_t *fill_temperature(const struct scsi_lun *lun, uint8_t *bytes)
{
    uint8_t *content;

    (void)lun;
    bytes = put_parameter(bytes, 0x0000, 2, &content);
    content[1] = TEMPERATURE_C;
    bytes = put_parameter(bytes, 0x0001, 2, &content);
    content[1] = REFERENCE_TEMPERATURE_C;
    return bytes;
}

/* Never scanned; on since it was opened. */
static uint8_t *fill_background_scan(const struct scsi_lun *lun, uint8_t *bytes)
{
    uint8_t *content;

    bytes = put_parameter(bytes, 0x0000, 12, &content);
    put_be32(content, (uint32_t)((ev_now(lun->loop) - lun->log.opened) / 60));
    return bytes;
}

/* Times are not measured: the processing intervals and the length of an interval are zero. */
static uint8_t *fill_statistics(const struct scsi_lun *lun, uint8_t *bytes)
{
    uint8_t *content;

    bytes = put_parameter(bytes, 0x0001, 64, &content);
    put_be64(content, lun->log.reads);
    put_be64(content + 8, lun->log.writes);
    put_be64(content + 16, lun->log.blocks_in);
    put_be64(content + 24, lun->log.blocks_out);
    bytes = put_parameter(bytes, 0x0002, 8, &content);
    return put_parameter(bytes, 0x0003, 8, &content);
}

static uint8_t *fill_exceptions(const struct scsi_lun *lun, uint8_t *bytes)
{
    uint8_t *content;

    bytes = put_parameter(bytes, 0x0000, 4, &content);
    if (lun->mode.is_testing_exceptions)
        put_be16(content, (uint16_t)SCSI_FAILURE_PREDICTED);
    content[2] = TEMPERATURE_C;
    return bytes;
}

static const struct log_page *find_page(const struct scsi_lun *lun, uint8_t code, uint8_t subpage)
{
    for (size_t i = 0; i < PAGE_COUNT; i++)
        if (pages[i].code == code && pages[i].subpage == subpage && is_there(&pages[i], lun))
            return &pages[i];
    return NULL;
}

static bool has_parameters(const struct log_page *page)
{
    return page->code != 0;
}

/* Leaves out the parameters below the first one asked for; false: none is left. */
static bool begin_at(uint8_t *bytes, uint8_t **end, uint16_t first)
{
    uint8_t *start = bytes;

    while (start < *end && get_be16(start) < first)
        start += PARAMETER_HEADER + start[3];
    if (start == *end)
        return false;
    memmove(bytes, start, (size_t)(*end - start));
    *end -= start - bytes;
    return true;
}

uint32_t run_log_sense(struct scsi_task *task)
{
    enum { SPF = 0x40 };
    const uint8_t *cdb = task->cdb;
    uint8_t bytes[LOG_PAGE_MAXIMUM] = {0}, code = cdb[2] & 0x3f;
    const struct log_page *page = find_page(task->nexus->lun, code, cdb[3]);
    uint16_t first = get_be16(cdb + 5);
    uint8_t *end;

    if (!page)
        return find_page(task->nexus->lun, code, 0) ? result_in_cdb(task, 3, 7)
                                                    : result_in_cdb(task, 2, 5);
    end = page->fill(task->nexus->lun, bytes + PAGE_HEADER);
    if (has_parameters(page) ? !begin_at(bytes + PAGE_HEADER, &end, first) : first)
        return result_in_cdb(task, 5, 7);

    size_t length = (size_t)(end - bytes);
    bytes[0] = (uint8_t)(code | (page->subpage ? SPF : 0));
    bytes[1] = page->subpage;
    put_be16(bytes + 2, (uint16_t)(length - PAGE_HEADER));
    memcpy(data_answer(task, length, get_be16(cdb + 7)), bytes, length);
    return SCSI_GOOD;
}

/* No parameter can be set. */
static uint32_t refuse_list(struct scsi_task *task)
{
    return task->received < PAGE_HEADER ? SCSI_LIST_LENGTH_ERROR : result_in_list(task, 0, 5);
}

/* Only PCR does something: the counters of the page, or of all pages, begin anew. */
uint32_t run_log_select(struct scsi_task *task)
{
    enum { PCR = 0x02, STATISTICS = 0x19 };
    const uint8_t *cdb = task->cdb;
    struct log *log = &task->nexus->lun->log;
    uint8_t code = cdb[2] & 0x3f;
    size_t length = get_be16(cdb + 7);

    if (cdb[1] & PCR && length)
        return result_in_cdb(task, 1, 1);
    if ((code || cdb[3]) && !find_page(task->nexus->lun, code, cdb[3]))
        return result_in_cdb(task, 2, 5);
    if (length)
        data_collect(task, length, refuse_list);
    else if (cdb[1] & PCR && (!code || code == STATISTICS))
        log_open(log, log->opened);
    return SCSI_GOOD;
}
