/* ROD tokens: 512 bytes that stand for the data that ranges of a logical unit had, SPC-4 5.16.6. */
#pragma once

#include <stdint.h>

enum { TOKEN_SIZE = 512 };

enum token_type {
    TOKEN_POINT_IN_TIME = 0x00800001, /* point in time copy - change vulnerable */
    TOKEN_ZEROS = (int)0xffff0001,    /* block device zero */
};

enum { /* seconds */
       TOKEN_INACTIVITY_MINIMUM = 1,
       TOKEN_INACTIVITY_DEFAULT = 60,
       TOKEN_INACTIVITY_MAXIMUM = 600,
       TOKEN_LIFETIME = 3600,
};
