#include "target/iscsi/digest.h"

#include "target/iscsi/pdu.h"

#include <isa-l/crc.h>

#ifdef __x86_64__
#include <immintrin.h>

/* ISA-L leaves the upper halves of the vector registers in use: until they are cleared, whatever
 * SSE instructions come next are slow. */
__attribute__((target("avx"))) static void clear_upper_halves(void)
{
    if (__builtin_cpu_supports("avx"))
        _mm256_zeroupper();
}

#else

static void clear_upper_halves(void)
{
}

#endif

uint32_t digest_add(uint32_t value, const void *bytes, size_t length)
{
    /* ISA-L takes a non-const pointer, and an int for the length. */
    value = crc32_iscsi((unsigned char *)(uintptr_t)bytes, (int)length, value);
    clear_upper_halves();
    return value;
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
