/* INQUIRY: the standard data (SPC-4 6.6.2) and the vital product data pages (SPC-4 7.8, SBC-3 6.6).
 */
#include "target/base/bytes.h"
#include "target/base/memory.h"
#include "target/scsi/atomic.h"
#include "target/scsi/copy_page.h"
#include "target/scsi/data.h"
#include "target/scsi/extent.h"
#include "target/scsi/result.h"
#include "target/scsi/runs.h"
#include "target/scsi/thin.h"
#include "target/scsi/unit.h"

#include <stdlib.h>
#include <string.h>

enum { NO_LOGICAL_UNIT = 0x7f, PORTS_MAXIMUM = 16, PAGE_MAXIMUM = 256 * (PORTS_MAXIMUM + 1) };
static const char vendor[] = "StorPool", product[] = "iSCSI DISK      ", revision[] = "1.0 ";

/* A page's content after its header of four bytes; returns its length. `page` is zeroed. */
typedef size_t page_function(const struct scsi_nexus *nexus, uint8_t *page);

static size_t put_text(uint8_t *bytes, const char *text)
{
    size_t length = strlen(text);

    memcpy(bytes, text, length);
    return length;
}

/* Kinds of designators: see put_designator. */
enum { PORT_NAME = 0x5398 };

static page_function fill_supported_pages;

static size_t fill_serial_number(const struct scsi_nexus *nexus, uint8_t *page)
{
    return put_text(page, nexus->lun->serial);
}

/* SPC-4 7.8.6.1: kinds are code set (with protocol), then association and type. */
static size_t put_designator(uint8_t *bytes, unsigned kinds, const void *content, size_t length)
{
    put_be16(bytes, (uint16_t)kinds);
    bytes[3] = (uint8_t)length;
    memcpy(bytes + 4, content, length);
    return 4 + length;
}

/* A SCSI name string: ends with a zero and is padded to a multiple of four, SPC-4 7.8.6.11. */
static size_t put_name(uint8_t *bytes, unsigned kinds, const char *name, size_t length)
{
    size_t padded = (length + 4) & ~(size_t)3;

    put_designator(bytes, kinds, name, length);
    bytes[3] = (uint8_t)padded;
    return 4 + padded;
}

static size_t fill_identification(const struct scsi_nexus *nexus, uint8_t *page)
{
    enum { UNIT_NAA = 0x0103, UNIT_VENDOR_TEXT = 0x0201, RELATIVE_PORT = 0x5194 };
    enum { PORT_GROUP = 0x5195 };
    enum { DEVICE_NAME = 0x53a8 };
    const struct scsi_lun *lun = nexus->lun;
    uint8_t port[4] = {0};
    char *text = memory_format("%s%s%s", vendor, product, lun->serial);
    const char *device_end = strstr(nexus->target_port, ",t,");
    size_t name_length = strlen(nexus->target_port);
    size_t device_length = device_end ? (size_t)(device_end - nexus->target_port) : name_length;
    uint8_t *end = page;

    put_be16(port + 2, nexus->relative_port);
    end += put_designator(end, UNIT_NAA, lun->naa, sizeof lun->naa);
    end += put_designator(end, UNIT_VENDOR_TEXT, text, strlen(text));
    end += put_designator(end, RELATIVE_PORT, port, sizeof port);
    if (lun->alua.mode != SCSI_ALUA_OFF) /* the group has its port's number */
        end += put_designator(end, PORT_GROUP, port, sizeof port);
    end += put_name(end, PORT_NAME, nexus->target_port, name_length);
    end += put_name(end, DEVICE_NAME, nexus->target_port, device_length);
    free(text);
    return (size_t)(end - page);
}

static size_t fill_block_limits(const struct scsi_nexus *nexus, uint8_t *page)
{
    enum { UGAVALID = 0x80 };
    const struct scsi_lun *lun = nexus->lun;
    uint32_t granularity = lun->physical_block_size / lun->block_size;

    page[1] = COMPARE_MAXIMUM;
    put_be16(page + 2, (uint16_t)granularity);
    put_be32(page + 4, TRANSFER_MAXIMUM / lun->block_size);
    put_be32(page + 8, TRANSFER_OPTIMUM / lun->block_size);
    if (lun->is_thin) {
        put_be32(page + 16, UINT32_MAX); /* LBAs of one UNMAP */
        put_be32(page + 20, UNMAP_DESCRIPTORS_MAXIMUM);
        put_be32(page + 24, granularity);
        page[28] = UGAVALID;
    }
    put_be64(page + 32, WRITE_SAME_MAXIMUM / lun->block_size);
    put_be32(page + 40, ATOMIC_MAXIMUM / lun->block_size);
    put_be32(page + 44, granularity); /* atomic alignment */
    put_be32(page + 48, granularity); /* atomic transfer length granularity */
    return 0x3c;
}

static size_t fill_block_characteristics(const struct scsi_nexus *nexus, uint8_t *page)
{
    enum { BLOCK_ERASED_IS_READ = 0x40, CRYPTO_ERASED_IS_READ = 0x10 };

    put_be16(page, 1); /* does not rotate */
    page[3] = nexus->lun->is_thin ? BLOCK_ERASED_IS_READ | CRYPTO_ERASED_IS_READ : 0;
    return 0x3c;
}

static size_t fill_provisioning(const struct scsi_nexus *nexus, uint8_t *page)
{
    enum { LBPU = 0x80, LBPWS = 0x40, LBPWS10 = 0x20, LBPRZ = 0x04, THIN = 2 };

    if (nexus->lun->is_thin) {
        page[0] = (uint8_t)space_exponent(nexus->lun);
        page[1] = LBPU | LBPWS | LBPWS10 | LBPRZ;
        page[2] = THIN;
    }
    return 4;
}

/* SPC-4 7.8.7 */
static size_t fill_extended_inquiry(const struct scsi_nexus *nexus, uint8_t *page)
{
    enum { HEADSUP = 0x04, ORDSUP = 0x02, SIMPSUP = 0x01, V_SUP = 0x01 };

    (void)nexus;
    page[1] = HEADSUP | ORDSUP | SIMPSUP;
    page[2] = V_SUP; /* the cache is volatile */
    page[9] = SENSE_MAXIMUM_SIZE;
    return 0x3c;
}

/* SPC-4 7.8.14: all pages and subpages are shared by all ports. */
static size_t fill_mode_page_policy(const struct scsi_nexus *nexus, uint8_t *page)
{
    enum { ALL_PAGES = 0x3f, ALL_SUBPAGES = 0xff };

    (void)nexus;
    page[0] = ALL_PAGES;
    page[1] = ALL_SUBPAGES;
    return 4;
}

/* SPC-4 7.8.18 */
static size_t put_port(uint8_t *bytes, uint16_t number, const char *name)
{
    enum { HEADER = 12 };
    size_t length = put_name(bytes + HEADER, PORT_NAME, name, strlen(name));

    put_be16(bytes + 2, number);
    put_be16(bytes + 10, (uint16_t)length);
    return HEADER + length;
}

static size_t fill_ports(const struct scsi_nexus *nexus, uint8_t *page)
{
    const struct alua *alua = &nexus->lun->alua;
    uint8_t *end = page;

    if (!alua->is_configured)
        end += put_port(end, nexus->relative_port, nexus->target_port);
    for (size_t i = 0; alua->is_configured && i < alua->count && i < PORTS_MAXIMUM; i++)
        end += put_port(end, alua->groups[i].id, alua->groups[i].port_name);
    return (size_t)(end - page);
}

/* SBC-3 6.6.7: one segment, there is nothing to refer to. */
static size_t fill_referrals(const struct scsi_nexus *nexus, uint8_t *page)
{
    (void)nexus, (void)page;
    return 0x0c;
}

/* In ascending order. */
/* clang-format off */
static const struct {
    uint8_t code;
    page_function *fill;
} pages[] = {
    { 0x00, fill_supported_pages },
    { 0x80, fill_serial_number },
    { 0x83, fill_identification },
    { 0x86, fill_extended_inquiry },
    { 0x87, fill_mode_page_policy },
    { 0x88, fill_ports },
    { 0x8f, copy_page_fill },
    { 0xb0, fill_block_limits },
    { 0xb1, fill_block_characteristics },
    { 0xb2, fill_provisioning },
    { 0xb3, fill_referrals },
};
/* clang-format on */

enum { PAGE_COUNT = sizeof pages / sizeof pages[0] };

static size_t fill_supported_pages(const struct scsi_nexus *nexus, uint8_t *page)
{
    (void)nexus;
    for (size_t i = 0; i < PAGE_COUNT; i++)
        page[i] = pages[i].code;
    return PAGE_COUNT;
}

static uint32_t answer_page(struct scsi_task *task, uint8_t code, bool is_lun)
{
    uint8_t page[PAGE_MAXIMUM] = {is_lun ? 0 : NO_LOGICAL_UNIT, code};
    uint16_t allocation_length = get_be16(task->cdb + 3);

    for (size_t i = 0; i < PAGE_COUNT; i++) {
        if (pages[i].code != code)
            continue;
        size_t length = pages[i].fill(task->nexus, page + 4);
        put_be16(page + 2, (uint16_t)length);
        memcpy(data_answer(task, 4 + length, allocation_length), page, 4 + length);
        return SCSI_GOOD;
    }
    return result_in_cdb(task, 2, 7);
}

static uint32_t answer_standard(struct scsi_task *task, bool is_lun)
{
    enum {
        SIZE = 96,
        SPC4 = 0x06,
        RMB = 0x80,
        HISUP_FORMAT = 0x12,
        THIRD_PARTY_COPY = 0x08,
        MULTIP = 0x10,
        CMDQUE = 0x02
    };
    static const uint16_t versions[] = {0x00a0, 0x0960, 0x0460,
                                        0x04c0}; /* SAM-5 iSCSI SPC-4 SBC-3 */
    /* Explicit access goes with implicit access, SPC-4 6.6.2. */
    static const uint8_t tpgs[] = {
        [SCSI_ALUA_OFF] = 0, [SCSI_ALUA_IMPLICIT] = 1, [SCSI_ALUA_EXPLICIT] = 3};
    uint8_t *bytes = data_answer(task, SIZE, get_be16(task->cdb + 3));

    bytes[0] = is_lun ? 0 : NO_LOGICAL_UNIT;
    bytes[1] = task->nexus->lun->medium.is_removable ? RMB : 0;
    bytes[2] = SPC4;
    bytes[3] = HISUP_FORMAT;
    bytes[4] = SIZE - 5;
    bytes[5] = (uint8_t)(THIRD_PARTY_COPY | tpgs[task->nexus->lun->alua.mode] << 4);
    bytes[6] = MULTIP;
    bytes[7] = CMDQUE;
    put_text(bytes + 8, vendor);
    put_text(bytes + 16, product);
    put_text(bytes + 32, revision);
    for (size_t i = 0; i < sizeof versions / sizeof versions[0]; i++)
        put_be16(bytes + 58 + 2 * i, versions[i]);
    return SCSI_GOOD;
}

uint32_t run_inquiry(struct scsi_task *task)
{
    enum { EVPD = 0x01 };
    bool is_lun = scsi_lun_is_there(task->lun);
    uint8_t code = task->cdb[2];

    if (task->cdb[1] & EVPD)
        return answer_page(task, code, is_lun);
    return code ? result_in_cdb(task, 2, 7) : answer_standard(task, is_lun);
}
