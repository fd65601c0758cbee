#include "target/scsi/token.h"

#include "target/base/bytes.h"
#include "target/base/memory.h"
#include "target/scsi/extended_copy.h"
#include "target/scsi/result.h"
#include "target/scsi/unit.h"

#include <jansson.h>
#include <openssl/rand.h>
#include <stdlib.h>
#include <string.h>

/* Where the fields of a token are, SPC-4 table 150 and SBC-3 table 14. */
enum {
    TYPE = 0,
    LENGTH = 6,
    NUMBER = 8,
    CREATOR = 16,    /* an identification CSCD descriptor of the logical unit */
    BYTE_COUNT = 56, /* the low half of 16 bytes */
    BLOCK_SIZE = 96, /* as READ CAPACITY(16) tells it */
    DEVICE = 128,    /* the target device's designation descriptor */
    DEVICE_NAME = 132,
    DEVICE_NAME_MAXIMUM = 224,
};

static void put_device(uint8_t *bytes, const char *target_port)
{
    const char *end = strstr(target_port, ",t,");
    size_t length = end ? (size_t)(end - target_port) : strlen(target_port);

    if (length >= DEVICE_NAME_MAXIMUM)
        length = DEVICE_NAME_MAXIMUM - 1;
    put_be16(bytes + DEVICE, 0x53a8); /* iSCSI, UTF-8; target device, SCSI name string */
    bytes[DEVICE + 3] = DEVICE_NAME_MAXIMUM;
    memset(bytes + DEVICE_NAME, 0, DEVICE_NAME_MAXIMUM);
    memcpy(bytes + DEVICE_NAME, target_port, length);
}

void token_seal(struct token *token, const struct scsi_nexus *nexus)
{
    uint8_t *bytes = token->bytes, *creator = bytes + CREATOR;
    uint64_t blocks = 0;

    for (unsigned i = 0; i < token->range_count; i++)
        blocks += token->ranges[i].blocks;
    memset(bytes, 0, TOKEN_SIZE);
    put_be32(bytes + TYPE, TOKEN_POINT_IN_TIME);
    put_be16(bytes + LENGTH, TOKEN_SIZE - NUMBER);
    if (RAND_bytes(bytes + NUMBER, 8) != 1 ||
        RAND_bytes(bytes + DEVICE_NAME + DEVICE_NAME_MAXIMUM,
                   TOKEN_SIZE - DEVICE_NAME - DEVICE_NAME_MAXIMUM) != 1)
        abort(); /* no random numbers, no secrets */
    token->number = get_be64(bytes + NUMBER);
    creator[0] = TARGET_BY_IDENTIFIER;
    put_be16(creator + 4, 0x0103);
    creator[7] = SCSI_NAA_SIZE;
    memcpy(creator + 8, token->naa, SCSI_NAA_SIZE);
    put_be24(creator + 29, token->block_size);
    put_be64(bytes + BYTE_COUNT, blocks * token->block_size);
    put_be32(bytes + BLOCK_SIZE, token->block_size);
    put_device(bytes, nexus->target_port);
}

uint32_t token_read(struct token *token)
{
    if (get_be32(token->bytes + TYPE) != TOKEN_POINT_IN_TIME)
        return SCSI_TOKEN_TYPE;
    if (get_be16(token->bytes + LENGTH) != TOKEN_SIZE - NUMBER)
        return SCSI_TOKEN_LENGTH;
    token->number = get_be64(token->bytes + NUMBER);
    memcpy(token->naa, token->bytes + CREATOR + 8, SCSI_NAA_SIZE);
    return SCSI_GOOD;
}

char *token_encode(const struct token *token)
{
    char digits[2 * TOKEN_SIZE + 1];
    json_t *ranges = json_array(), *json;
    char *text;

    for (size_t i = 0; i < TOKEN_SIZE; i++)
        snprintf(digits + 2 * i, 3, "%02x", token->bytes[i]);
    for (unsigned i = 0; i < token->range_count; i++)
        json_array_append_new(ranges, json_pack("[I, I]", (json_int_t)token->ranges[i].lba,
                                                (json_int_t)token->ranges[i].blocks));
    json = json_pack("{s:s, s:I, s:i, s:i, s:o}", "token", digits, "created_s",
                     (json_int_t)token->created_s, "inactivity_s", (int)token->inactivity_s,
                     "block_size", (int)token->block_size, "ranges", ranges);
    text = json_dumps(json, JSON_COMPACT);
    json_decref(json);
    return text;
}

static bool decode_bytes(struct token *token, const char *digits)
{
    if (strlen(digits) != 2 * TOKEN_SIZE)
        return false;
    for (size_t i = 0; i < TOKEN_SIZE; i++) {
        const char pair[] = {digits[2 * i], digits[2 * i + 1], '\0'};

        token->bytes[i] = (uint8_t)strtoul(pair, NULL, 16);
    }
    return token_read(token) == SCSI_GOOD;
}

static bool decode_ranges(struct token *token, json_t *ranges)
{
    token->range_count = (unsigned)json_array_size(ranges);
    if (token->range_count > COPY_RANGES_MAXIMUM)
        return false;
    for (unsigned i = 0; i < token->range_count; i++) {
        json_int_t lba, blocks;

        if (json_unpack(json_array_get(ranges, i), "[I, I]", &lba, &blocks))
            return false;
        token->ranges[i] = (struct extent){(uint64_t)lba, (uint64_t)blocks};
    }
    return true;
}

bool token_decode(struct token *token, const char *text)
{
    json_t *json = json_loads(text, 0, NULL), *ranges = NULL;
    const char *digits = "";
    json_int_t created_s = 0;
    int inactivity_s = 0, block_size = 0;
    bool is_good = json_unpack(json, "{s:s, s:I, s:i, s:i, s:o}", "token", &digits, "created_s",
                               &created_s, "inactivity_s", &inactivity_s, "block_size", &block_size,
                               "ranges", &ranges) == 0 &&
                   block_size > 0 && decode_bytes(token, digits) && decode_ranges(token, ranges);

    token->created_s = created_s;
    token->inactivity_s = (uint32_t)inactivity_s;
    token->block_size = (uint32_t)block_size;
    json_decref(json);
    return is_good;
}
