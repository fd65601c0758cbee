#include "target/scsi/mode.h"

#include "target/base/bytes.h"
#include "target/scsi/unit.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

enum {
    D_SENSE = 0x04,      /* 0A byte 2 */
    QERR = 0x06,         /* 0A byte 3 */
    UNRESTRICTED = 0x10, /* 0A byte 3, queue algorithm modifier */
    SWP = 0x08,          /* 0A byte 4 */
    UAAERP = 0x02,       /* 0A byte 4, SPC-2 8.3.4: unit attentions as asynchronous events */
    WCE = 0x04,          /* 08 byte 2 */
    IALUAE = 0x01,       /* 0A/01 byte 4 */
    DEXCPT_TEST = 0x0c,  /* 1C byte 2 */
    TEST = 0x04,
    MRIE = 0x0f,            /* 1C byte 3 */
    AWRE_ARRE = 0xc0,       /* 01 byte 2 */
    LBPERE = 0x80,          /* 01 byte 3: thresholds are reported */
    SITUA = 0x01,           /* 1C/02 byte 4 */
    ENABLED = 0x80,         /* 1C/02, a threshold descriptor's byte 0 */
    WHEN_LESS = 0x01,       /* 1C/02: soft threshold, armed when the resource count decreases */
    WHEN_MORE = 0x02,       /* 1C/02: soft threshold, armed when it increases */
    AVAILABLE_SPACE = 0x01, /* 1C/02: parameters of log page 0C */
    USED_SPACE = 0x02,
};

/* The threshold descriptors of page 1C/02, and the count in one. */
enum { DESCRIPTORS = 16, DESCRIPTOR = 8, COUNT = 4 };

/* In ascending order. */
/* clang-format off */
static const struct mode_page pages[] = {
    /* code, subpage, size, needs thin, default values, changeable bits */
    { 0x01, 0x00, 12, false, { [2] = AWRE_ARRE, LBPERE },                 { [3] = LBPERE } },  /* read-write error recovery, SBC-3 6.5.8 */
    { 0x02, 0x00, 16, false, { 0 },                                       { 0 } },             /* disconnect-reconnect, SPC-4 7.5.11 */
    { 0x08, 0x00, 20, false, { [2] = WCE },                               { [2] = WCE } },     /* caching, SBC-3 6.5.5 */
    { 0x0a, 0x00, 12, false, { [3] = UNRESTRICTED, [8] = 0xff, 0xff },    { [2] = D_SENSE, QERR, SWP | UAAERP } }, /* control, SPC-4 7.5.8 */
    { 0x0a, 0x01, 32, false, { [4] = IALUAE },                            { [4] = IALUAE } },  /* control extension, SPC-4 7.5.9 */
    { 0x1a, 0x00, 40, false, { 0 },                                       { 0 } },             /* power condition, SPC-4 7.5.15 */
    { 0x1c, 0x00, 12, false, { 0 },                                       { [2] = DEXCPT_TEST, MRIE } }, /* informational exceptions, SBC-3 6.5.6 */
    { 0x1c, 0x02, 32, true, { [16] = WHEN_LESS, AVAILABLE_SPACE, [24] = WHEN_MORE, USED_SPACE },        /* logical block provisioning, SBC-3 6.5.7 */
      { [4] = SITUA, [16] = ENABLED, [20] = 0xff, 0xff, 0xff, 0xff, [24] = ENABLED, [28] = 0xff, 0xff, 0xff, 0xff } },
};
/* clang-format on */

enum { PAGE_COUNT = sizeof pages / sizeof pages[0] };

const struct mode_page *mode_next_page(const struct mode_page *page)
{
    page = page ? page + 1 : pages;
    return page < pages + PAGE_COUNT ? page : NULL;
}

const struct mode_page *mode_find_page(uint8_t code, uint8_t subpage)
{
    for (size_t i = 0; i < PAGE_COUNT; i++)
        if (pages[i].code == code && pages[i].subpage == subpage)
            return &pages[i];
    return NULL;
}

size_t mode_place(const struct mode_page *page)
{
    size_t place = 0;

    for (const struct mode_page *before = pages; before < page; before++)
        place += before->size;
    assert(place + page->size <= MODE_VALUES_SIZE);
    return place;
}

static uint8_t current(const struct mode *mode, uint8_t code, unsigned byte)
{
    return mode->current[mode_place(mode_find_page(code, 0)) + byte];
}

static void obey_thresholds(struct mode *mode)
{
    const uint8_t *page = mode->current + mode_place(mode_find_page(0x1c, 0x02));
    bool is_reporting = current(mode, 0x01, 3) & LBPERE;

    mode->tells_one_nexus = page[4] & SITUA;
    mode->has_thresholds = false;
    for (int i = 0; i < SPACE_THRESHOLDS; i++) {
        const uint8_t *bytes = page + DESCRIPTORS + i * DESCRIPTOR;

        mode->thresholds[i].is_enabled = is_reporting && bytes[0] & ENABLED;
        mode->thresholds[i].sets = get_be32(bytes + COUNT);
        mode->has_thresholds = mode->has_thresholds || mode->thresholds[i].is_enabled;
    }
}

void mode_obey(struct mode *mode)
{
    mode->has_write_cache = current(mode, 0x08, 2) & WCE;
    mode->has_descriptor_sense = current(mode, 0x0a, 2) & D_SENSE;
    mode->queue_error = (current(mode, 0x0a, 3) & QERR) >> 1;
    mode->is_write_protected = current(mode, 0x0a, 4) & SWP;
    mode->has_async_events = current(mode, 0x0a, 4) & UAAERP;
    mode->is_testing_exceptions = (current(mode, 0x1c, 2) & DEXCPT_TEST) == TEST;
    mode->exception_method = current(mode, 0x1c, 3) & MRIE;
    obey_thresholds(mode);
}

bool mode_has_test_attention(const struct mode *mode)
{
    return mode->is_testing_exceptions && mode->exception_method == MRIE_ATTENTION;
}

bool mode_has_test_sense(const struct mode *mode)
{
    return mode->is_testing_exceptions && mode->exception_method == MRIE_ON_REQUEST;
}

void mode_reset(struct mode *mode)
{
    memcpy(mode->current, mode->saved, sizeof mode->current);
    mode_obey(mode);
}

/* Members are named "0a" or "0a/01" and hold the page's bytes in hexadecimal. */
static void format_name(char name[static 6], const struct mode_page *page)
{
    snprintf(name, 6, page->subpage ? "%02x/%02x" : "%02x", page->code, page->subpage);
}

json_t *mode_encode(const struct scsi_lun *lun)
{
    json_t *state = json_object();

    for (const struct mode_page *page = pages; page < pages + PAGE_COUNT; page++) {
        const uint8_t *bytes = lun->mode.saved + mode_place(page);
        char name[6], text[2 * MODE_PAGE_MAXIMUM + 1];

        for (size_t i = 0; i < page->size; i++)
            snprintf(text + 2 * i, 3, "%02x", bytes[i]);
        format_name(name, page);
        json_object_set_new(state, name, json_string(text));
    }
    return state;
}

/* The table's, and the threshold that the logical unit comes with. */
static void fill_defaults(uint8_t *defaults, const struct scsi_lun *lun)
{
    uint8_t *threshold = defaults + mode_place(mode_find_page(0x1c, 0x02)) + DESCRIPTORS;

    for (const struct mode_page *page = pages; page < pages + PAGE_COUNT; page++)
        memcpy(defaults + mode_place(page), page->values, page->size);
    if (lun->is_thin && lun->threshold) {
        threshold[0] |= ENABLED;
        put_be32(threshold + COUNT, space_sets(lun, lun->threshold));
    }
}

/* Of what was saved only the bits that can be changed today count; `bytes` are the defaults. */
static void load_page(uint8_t *bytes, const struct mode_page *page, const char *text)
{
    if (!text || strlen(text) != 2 * (size_t)page->size)
        return;
    for (size_t i = 0; i < page->size; i++) {
        unsigned value;

        if (sscanf(text + 2 * i, "%2x", &value) == 1)
            bytes[i] = (uint8_t)((bytes[i] & ~page->changeable[i]) | (value & page->changeable[i]));
    }
}

void mode_decode(struct scsi_lun *lun, json_t *json, bool is_same_run)
{
    (void)is_same_run;
    fill_defaults(lun->mode.defaults, lun);
    memcpy(lun->mode.saved, lun->mode.defaults, sizeof lun->mode.saved);
    for (const struct mode_page *page = pages; page < pages + PAGE_COUNT; page++) {
        char name[6];

        format_name(name, page);
        load_page(lun->mode.saved + mode_place(page), page,
                  json_string_value(json_object_get(json, name)));
    }
    mode_reset(&lun->mode);
}
