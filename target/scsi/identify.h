/* What an operator calls the logical unit: REPORT and SET IDENTIFYING INFORMATION (SPC-4 6.32,
 * 6.43). Persistent. */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { IDENTITY_MAXIMUM = 256 };

struct scsi_lun;

/* Peripheral device identifying information (bytes) and text information (UTF-8, ends with a
 * zero). */
struct identity {
    struct identity_text {
        uint8_t bytes[IDENTITY_MAXIMUM];
        size_t length;
    } device, text;
    struct identity_text before; /* of the one that is being changed */
};

/* For the store. `json` NULL: nothing was set. */
json_t *identify_encode(const struct scsi_lun *lun);
void identify_decode(struct scsi_lun *lun, json_t *json, bool is_same_run);
