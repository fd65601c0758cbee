/* The mode pages of a logical unit (SPC-4 7.5, SBC-3 6.5): their current and their saved values.
 * All nexuses share them, and all of them can be saved. */
#pragma once

#include "target/scsi/space.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct scsi_lun;

enum { MODE_PAGE_MAXIMUM = 40, MODE_VALUES_SIZE = 192 };

/* Arrays are indexed by the byte numbers of the standard's tables; the header is not in them. */
struct mode_page {
    uint8_t code, subpage;
    uint8_t size;    /* bytes, with the header of two or (subpages) four */
    bool needs_thin; /* only a thinly provisioned logical unit has it */
    uint8_t values[MODE_PAGE_MAXIMUM], changeable[MODE_PAGE_MAXIMUM];
};

/* Method of reporting informational exceptions. */
enum { MRIE_NONE = 0, MRIE_ATTENTION = 2, MRIE_ON_REQUEST = 6 };

/* Soft thresholds of page 1C/02, by enum space_threshold. */
struct mode_threshold {
    bool is_enabled;
    uint32_t sets; /* of logical blocks */
};

struct mode {
    /* The pages one after the other. */
    uint8_t defaults[MODE_VALUES_SIZE], saved[MODE_VALUES_SIZE], current[MODE_VALUES_SIZE];
    /* What `current` says, for those who obey it. */
    bool has_descriptor_sense, is_write_protected, has_write_cache, has_async_events;
    bool is_testing_exceptions;
    bool has_thresholds, tells_one_nexus;
    struct mode_threshold thresholds[SPACE_THRESHOLDS];
    uint8_t queue_error, exception_method; /* QERR, MRIE */
};

/* The row of a page, or NULL. */
const struct mode_page *mode_find_page(uint8_t code, uint8_t subpage);
/* Its bytes within one of the three. */
size_t mode_place(const struct mode_page *page);
/* The first page for NULL; NULL after the last one. */
const struct mode_page *mode_next_page(const struct mode_page *page);

/* What is saved, for the store. Decoding is a power on: the current values are the saved ones;
 * `json` is what mode_encode gave, or NULL: the defaults. */
json_t *mode_encode(const struct scsi_lun *lun);
void mode_decode(struct scsi_lun *lun, json_t *json, bool is_same_run);
/* As after a reset: the saved values. */
void mode_reset(struct mode *mode);
/* Whether a false failure prediction is reported, by unit attention or when asked for: TEST of page
 * 1C. */
bool mode_has_test_attention(const struct mode *mode);
bool mode_has_test_sense(const struct mode *mode);

/* `current` was changed. */
void mode_obey(struct mode *mode);
