/* CRC32C as iSCSI uses it for header and data digests (RFC 7143 13.1). */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define DIGEST_START 0xffffffffu

/* The running value over `length` more bytes; begin with DIGEST_START. */
uint32_t digest_add(uint32_t value, const void *bytes, size_t length);
/* Adds the zero bytes that pad a segment of `length` bytes to a multiple of four. */
uint32_t digest_pad(uint32_t value, uint32_t length);
/* The four bytes that go on the wire. */
void digest_put(uint8_t bytes[static 4], uint32_t value);
uint32_t digest_get(const uint8_t bytes[static 4]);
/* What digest_get must give for a running value. */
static inline uint32_t digest_end(uint32_t value)
{
    return ~value;
}
