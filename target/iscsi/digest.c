#include "target/iscsi/digest.h"

#include "target/iscsi/pdu.h"

#include <isa-l/crc.h>
#include <string.h>

#ifdef __x86_64__
#include <nmmintrin.h>

enum { SHORT = 64 };

/* For a header: ISA-L is made for long buffers, and beginning takes it longer than this does. */
__attribute__((target("sse4.2"))) static uint32_t add_words(uint32_t value, const uint8_t *bytes,
                                                            size_t length)
{
    uint64_t sum = value, word;

    for (size_t at = 0; at < length; at += sizeof word) {
        memcpy(&word, bytes + at, sizeof word);
        sum = _mm_crc32_u64(sum, word);
    }
    return (uint32_t)sum;
}

static bool add_short(uint32_t *value, const uint8_t *bytes, size_t length)
{
    if (length > SHORT || length % sizeof(uint64_t) || !__builtin_cpu_supports("sse4.2"))
        return false;
    *value = add_words(*value, bytes, length);
    return true;
}

#else

static bool add_short(uint32_t *value, const uint8_t *bytes, size_t length)
{
    (void)value, (void)bytes, (void)length;
    return false;
}

#endif

uint32_t digest_add(uint32_t value, const void *bytes, size_t length)
{
    if (add_short(&value, bytes, length))
        return value;
    /* ISA-L takes a non-const pointer, and an int for the length. */
    return crc32_iscsi((unsigned char *)(uintptr_t)bytes, (int)length, value);
}

uint32_t digest_pad(uint32_t value, uint32_t length)
{
    static const uint8_t zeros[3];

    return digest_add(value, zeros, pdu_padding(length));
}

void digest_put(uint8_t bytes[static 4], uint32_t value)
{
    value = digest_end(value);
    for (int i = 0; i < 4; i++)
        bytes[i] = (uint8_t)(value >> 8 * i);
}

uint32_t digest_get(const uint8_t bytes[static 4])
{
    return bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 | (uint32_t)bytes[3] << 24;
}
