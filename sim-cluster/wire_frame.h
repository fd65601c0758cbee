/* Who talks to whom in an Ethernet frame: ARP (RFC 826), IPv4, IPv6. Decodes only. */
#pragma once

#include "target/base/address.h"

#include <stddef.h>

/* false: nothing that has addresses of IP. */
bool wire_frame_decode(const uint8_t *frame, size_t length, struct address *from,
                       struct address *to);
