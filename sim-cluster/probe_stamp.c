/* The layout of a stamped sector: 40 bytes of header, a pattern of the sequence number, CRC32C. */
#include "sim-cluster/probe_stamp.h"

#include <isa-l.h>
#include <stdbool.h>
#include <string.h>

#include "target/base/bytes.h"

#define MAGIC UINT64_C(0x53432d50524f4245) /* "SC-PROBE" */
#define HEADER_SIZE 40
#define CHECKSUM_AT (PROBE_SECTOR_SIZE - 4)
#define FNV_OFFSET UINT64_C(0xcbf29ce484222325)
#define FNV_PRIME UINT64_C(0x100000001b3)

uint64_t probe_stamp_hash(const char *name)
{
    uint64_t hash = FNV_OFFSET;

    for (; *name; name++)
        hash = (hash ^ (uint8_t)*name) * FNV_PRIME;
    return hash;
}

static uint32_t checksum(const uint8_t *data)
{
    return crc32_iscsi((unsigned char *)data, CHECKSUM_AT, 0xffffffff);
}

/* Differs from write to write and from sector to sector, so that half an old sector never passes
 * for half a new one. */
static void fill(uint8_t *data, uint64_t seed)
{
    int at = HEADER_SIZE;

    for (; at + 8 <= CHECKSUM_AT; at += 8) {
        seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        memcpy(data + at, &seed, 8);
    }
    memset(data + at, 0, (size_t)(CHECKSUM_AT - at));
}

void probe_stamp_write(uint8_t *data, unsigned sectors, const struct probe_stamp *stamp,
                       uint64_t first, uint64_t sequence)
{
    for (unsigned i = 0; i < sectors; i++, data += PROBE_SECTOR_SIZE) {
        put_be64(data, MAGIC);
        put_be64(data + 8, stamp->run);
        put_be64(data + 16, stamp->target);
        put_be64(data + 24, first + i);
        put_be64(data + 32, sequence);
        fill(data, stamp->run ^ (sequence << 20) ^ (first + i));
        put_be32(data + CHECKSUM_AT, checksum(data));
    }
}

static bool is_blank(const uint8_t *data)
{
    return !data[0] && !memcmp(data, data + 1, PROBE_SECTOR_SIZE - 1);
}

struct probe_sector probe_stamp_read(const uint8_t *data, const struct probe_stamp *stamp,
                                     uint64_t place)
{
    struct probe_sector sector = {.content = CONTENT_OURS};
    uint64_t run = get_be64(data + 8);

    if (get_be64(data) != MAGIC) {
        sector.content = is_blank(data) ? CONTENT_BLANK : CONTENT_UNKNOWN;
        return sector;
    }
    sector.place = get_be64(data + 24);
    sector.sequence = get_be64(data + 32);
    if (get_be32(data + CHECKSUM_AT) != checksum(data))
        sector.content = CONTENT_BROKEN;
    else if (get_be64(data + 16) != stamp->target || run > stamp->run)
        sector.content = CONTENT_STRANGE;
    else if (sector.place != place)
        sector.content = run == stamp->run ? CONTENT_MISPLACED : CONTENT_STRANGE;
    else if (run < stamp->run)
        sector.content = CONTENT_EARLIER;
    return sector;
}
