/* What an operator calls the logical unit: REPORT and SET IDENTIFYING INFORMATION (SPC-4 6.32,
 * 6.43). Persistent. */
#pragma once

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

enum { IDENTITY_MAXIMUM = 256 };

/* Peripheral device identifying information (bytes) and text information (UTF-8, ends with a
 * zero). */
struct identity {
    struct identity_text {
        uint8_t bytes[IDENTITY_MAXIMUM];
        size_t length;
    } device, text;
};
