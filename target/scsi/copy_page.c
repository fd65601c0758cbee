/* VPD page 8Fh, third-party copy, SPC-4 7.8.17: a list of descriptors that say what is there. */
#include "target/scsi/copy_page.h"

#include "target/base/bytes.h"
#include "target/scsi/copy.h"
#include "target/scsi/extended_copy.h"
#include "target/scsi/token.h"

#include <string.h>

/* A descriptor's content after its header of four bytes; returns its length before padding. */
typedef size_t descriptor_function(const struct scsi_lun *lun, uint8_t *bytes);

/* Block device ROD token limits, SBC-3 6.5.6 and what Windows reads. */
static size_t fill_token_limits(const struct scsi_lun *lun, uint8_t *bytes)
{
    put_be16(bytes + 6, COPY_RANGES_MAXIMUM);
    put_be32(bytes + 8, TOKEN_INACTIVITY_MAXIMUM);
    put_be32(bytes + 12, TOKEN_INACTIVITY_DEFAULT);
    put_be64(bytes + 16, COPY_TOKEN_MAXIMUM / lun->block_size);
    put_be64(bytes + 24, COPY_TOKEN_OPTIMUM / lun->block_size);
    return 32;
}

/* From the command table: opcode, number of service actions, the service actions. */
static uint8_t *put_actions(const struct scsi_lun *lun, uint8_t *bytes, uint8_t opcode)
{
    const struct scsi_command *command = command_find_opcode(&lun->commands, opcode);
    uint8_t *actions = bytes + 2;

    bytes[0] = opcode;
    for (; command < scsi_commands + scsi_command_count && command->usage[0] == opcode; command++)
        *actions++ = command->usage[1];
    bytes[1] = (uint8_t)(actions - bytes - 2);
    return actions;
}

static size_t fill_commands(const struct scsi_lun *lun, uint8_t *bytes)
{
    uint8_t *end = put_actions(lun, bytes + 1, OPCODE_THIRD_PARTY_OUT);

    end = put_actions(lun, end, OPCODE_THIRD_PARTY_IN);
    bytes[0] = (uint8_t)(end - bytes - 1);
    return (size_t)(end - bytes);
}

static size_t fill_parameter_data(const struct scsi_lun *lun, uint8_t *bytes)
{
    (void)lun;
    put_be16(bytes + 4, COPY_SOURCES_MAXIMUM);
    put_be16(bytes + 6, COPY_SEGMENTS_MAXIMUM);
    put_be32(bytes + 8, COPY_LIST_MAXIMUM);
    return 28;
}

static size_t fill_descriptors(const struct scsi_lun *lun, uint8_t *bytes)
{
    static const uint8_t types[] = EXTENDED_COPY_TYPES;

    (void)lun;
    bytes[0] = sizeof types;
    memcpy(bytes + 1, types, sizeof types);
    return 1 + sizeof types;
}

static size_t fill_identifiers(const struct scsi_lun *lun, uint8_t *bytes)
{
    (void)lun;
    put_be16(bytes, 2);
    put_be16(bytes + 2, COPY_THIS_UNIT);
    return 4;
}

static size_t fill_token_features(const struct scsi_lun *lun, uint8_t *bytes)
{
    enum { HEADER = 44, BLOCK_FEATURES = 48 };
    uint8_t *features = bytes + HEADER;

    (void)lun;
    put_be32(bytes + 12, TOKEN_INACTIVITY_MINIMUM); /* a token lives at least */
    put_be32(bytes + 16, TOKEN_LIFETIME);
    put_be32(bytes + 20, TOKEN_INACTIVITY_MAXIMUM);
    put_be16(bytes + 42, BLOCK_FEATURES);
    put_be16(features + 2, BLOCK_FEATURES - 4);
    put_be64(features + 8, COPY_TOKEN_MAXIMUM);
    put_be64(features + 16, COPY_TOKEN_OPTIMUM);
    put_be64(features + 24, COPY_TOKEN_OPTIMUM);
    put_be64(features + 32, COPY_TOKEN_OPTIMUM);
    return HEADER + BLOCK_FEATURES;
}

static size_t fill_token_types(const struct scsi_lun *lun, uint8_t *bytes)
{
    enum { EACH = 64, TOKEN_OUT = 0x01, TOKEN_IN = 0x02 };
    static const struct {
        uint32_t type;
        uint8_t flags;
    } types[] = {{TOKEN_POINT_IN_TIME, TOKEN_IN | TOKEN_OUT}, {TOKEN_ZEROS, TOKEN_IN}};
    enum { COUNT = sizeof types / sizeof types[0] };

    (void)lun;
    put_be16(bytes + 2, EACH * COUNT);
    for (size_t i = 0; i < COUNT; i++) {
        put_be32(bytes + 4 + EACH * i, types[i].type);
        bytes[4 + EACH * i + 4] = types[i].flags;
    }
    return 4 + EACH * COUNT;
}

static size_t fill_operations(const struct scsi_lun *lun, uint8_t *bytes)
{
    (void)lun;
    put_be32(bytes, COPY_LISTS_MAXIMUM);
    put_be32(bytes + 4, COPY_LISTS_MAXIMUM);
    put_be32(bytes + 8, COPY_SEGMENT_BYTES_MAXIMUM);
    bytes[12] = COPY_GRANULARITY;
    return 32;
}

static const struct {
    uint16_t type;
    descriptor_function *fill;
} descriptors[] = {
    {0x0000, fill_token_limits}, {0x0001, fill_commands},    {0x0004, fill_parameter_data},
    {0x0008, fill_descriptors},  {0x000c, fill_identifiers}, {0x0106, fill_token_features},
    {0x0108, fill_token_types},  {0x8001, fill_operations},
};

size_t copy_page_fill(const struct scsi_nexus *nexus, uint8_t *page)
{
    uint8_t *end = page;

    for (size_t i = 0; i < sizeof descriptors / sizeof descriptors[0]; i++) {
        size_t length = (descriptors[i].fill(nexus->lun, end + 4) + 3) & ~(size_t)3;

        put_be16(end, descriptors[i].type);
        put_be16(end + 2, (uint16_t)length);
        end += 4 + length;
    }
    return (size_t)(end - page);
}
