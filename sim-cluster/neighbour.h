/* Ethernet frames about who has an IP address: ARP (RFC 826, RFC 5227) and, for IPv6, neighbour
 * discovery (RFC 4861). Encodes and decodes only. */
#pragma once

#include "target/base/address.h"

#include <stddef.h>

enum { NEIGHBOUR_FRAME_MAX = 96, NEIGHBOUR_MAC_SIZE = 6 };

/* "This address is mine now": gratuitous ARP as a request or as a reply (hosts differ in what they
 * believe), an unsolicited advertisement with the override flag. Its length. */
size_t neighbour_encode_announcement(uint8_t frame[static NEIGHBOUR_FRAME_MAX],
                                     const uint8_t mac[static NEIGHBOUR_MAC_SIZE],
                                     const struct address *address, bool is_reply);

/* "Who has this address?", asked by one who has none itself. */
size_t neighbour_encode_question(uint8_t frame[static NEIGHBOUR_FRAME_MAX],
                                 const uint8_t mac[static NEIGHBOUR_MAC_SIZE],
                                 const struct address *address);

/* false: the frame does not say who has an address. */
bool neighbour_decode(const uint8_t *frame, size_t length, struct address *address,
                      uint8_t mac[static NEIGHBOUR_MAC_SIZE]);
