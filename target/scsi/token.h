/* ROD tokens: 512 bytes that stand for the data that ranges of a logical unit had, SPC-4 5.16.6. */
#pragma once

#include "target/scsi/copy.h"
#include "target/scsi/extent.h"

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

struct token {
    uint8_t bytes[TOKEN_SIZE];
    uint64_t number;
    uint8_t naa[SCSI_NAA_SIZE]; /* of the volume */
    int64_t created_s;          /* since 1970 */
    uint32_t inactivity_s;
    uint32_t block_size; /* of the ranges */
    unsigned range_count;
    struct extent ranges[COPY_RANGES_MAXIMUM];
};

struct scsi_nexus;

/* Makes the bytes of a token whose other fields are set, with a number nobody can guess. */
void token_seal(struct token *token, const struct scsi_nexus *nexus);

/* What the bytes say about themselves. SCSI_GOOD, SCSI_TOKEN_TYPE or SCSI_TOKEN_LENGTH. */
uint32_t token_read(struct token *token);

/* As it is kept; the caller owns the text. */
char *token_encode(const struct token *token);
bool token_decode(struct token *token, const char *text);
