#include "sim-cluster/neighbour.h"

#include "target/base/bytes.h"

#include <string.h>

enum {
    ETHERNET_SIZE = 14,
    TYPE_ARP = 0x0806,
    TYPE_IPV6 = 0x86dd,
    ARP_SIZE = 28,
    ARP_REQUEST = 1,
    ARP_REPLY = 2,
    IPV6_SIZE = 40,
    ICMPV6 = 58,
    SOLICITATION = 135,
    ADVERTISEMENT = 136,
    ADVERTISEMENT_OVERRIDE = 0x20,
    OPTION_TARGET_MAC = 2,
    NEIGHBOUR_SIZE = 24, /* type to target address */
    OPTION_SIZE = 8,
};

static const uint8_t everybody[NEIGHBOUR_MAC_SIZE] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

static void put_ethernet(uint8_t *frame, const uint8_t *to, const uint8_t *from, uint16_t type)
{
    memcpy(frame, to, NEIGHBOUR_MAC_SIZE);
    memcpy(frame + 6, from, NEIGHBOUR_MAC_SIZE);
    put_be16(frame + 12, type);
}

/* ---- ARP ---- */

static size_t encode_arp(uint8_t *frame, uint16_t operation, const uint8_t *mac,
                         const uint8_t *sender, const uint8_t *target)
{
    uint8_t *arp = frame + ETHERNET_SIZE;

    put_ethernet(frame, everybody, mac, TYPE_ARP);
    put_be16(arp, 1); /* Ethernet */
    put_be16(arp + 2, 0x0800);
    arp[4] = NEIGHBOUR_MAC_SIZE;
    arp[5] = 4;
    put_be16(arp + 6, operation);
    memcpy(arp + 8, mac, NEIGHBOUR_MAC_SIZE);
    memcpy(arp + 14, sender, 4);
    memset(arp + 18, operation == ARP_REPLY ? 0xff : 0, NEIGHBOUR_MAC_SIZE);
    memcpy(arp + 24, target, 4);
    return ETHERNET_SIZE + ARP_SIZE;
}

static bool decode_arp(const uint8_t *arp, size_t length, struct address *address, uint8_t *mac)
{
    static const uint8_t none[4];

    if (length < ARP_SIZE || get_be16(arp + 2) != 0x0800 || arp[4] != NEIGHBOUR_MAC_SIZE ||
        arp[5] != 4 || !memcmp(arp + 14, none, 4))
        return false;
    memcpy(mac, arp + 8, NEIGHBOUR_MAC_SIZE);
    memcpy(address->bytes, arp + 14, 4);
    return true;
}

/* ---- IPv6 ---- */

static uint32_t sum_words(uint32_t sum, const uint8_t *bytes, size_t length)
{
    for (size_t i = 0; i < length; i += 2)
        sum += get_be16(bytes + i);
    return sum;
}

/* RFC 4443 2.3: over the addresses, length, next header and the message. */
static uint16_t checksum(const uint8_t *ip, size_t length)
{
    uint32_t sum = sum_words((uint32_t)length + ICMPV6, ip + 8, 32);

    sum = sum_words(sum, ip + IPV6_SIZE, length);
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)~sum;
}

/* `from` is NULL where the sender has no address. */
static void put_ipv6(uint8_t *ip, const uint8_t *from, const uint8_t *to, size_t length)
{
    ip[0] = 0x60;
    put_be16(ip + 4, (uint16_t)length);
    ip[6] = ICMPV6;
    ip[7] = 255; /* RFC 4861 7.1: came through no router */
    if (from)
        memcpy(ip + 8, from, 16);
    memcpy(ip + 24, to, 16);
    put_be16(ip + IPV6_SIZE + 2, checksum(ip, length));
}

static size_t encode_advertisement(uint8_t *frame, const uint8_t *mac, const uint8_t *address)
{
    static const uint8_t all_nodes[16] = {0xff, 0x02, [15] = 1};
    static const uint8_t all_nodes_mac[] = {0x33, 0x33, 0, 0, 0, 1};
    uint8_t *ip = frame + ETHERNET_SIZE, *message = ip + IPV6_SIZE;

    put_ethernet(frame, all_nodes_mac, mac, TYPE_IPV6);
    message[0] = ADVERTISEMENT;
    message[4] = ADVERTISEMENT_OVERRIDE;
    memcpy(message + 8, address, 16);
    message[NEIGHBOUR_SIZE] = OPTION_TARGET_MAC;
    message[NEIGHBOUR_SIZE + 1] = 1; /* in units of eight bytes */
    memcpy(message + NEIGHBOUR_SIZE + 2, mac, NEIGHBOUR_MAC_SIZE);
    put_ipv6(ip, address, all_nodes, NEIGHBOUR_SIZE + OPTION_SIZE);
    return ETHERNET_SIZE + IPV6_SIZE + NEIGHBOUR_SIZE + OPTION_SIZE;
}

/* RFC 4861 7.2.2: to the group that whoever has the address listens to. */
static size_t encode_solicitation(uint8_t *frame, const uint8_t *mac, const uint8_t *address)
{
    uint8_t group[16] = {0xff, 0x02, [11] = 1, 0xff, address[13], address[14], address[15]};
    uint8_t group_mac[] = {0x33, 0x33, 0xff, address[13], address[14], address[15]};
    uint8_t *ip = frame + ETHERNET_SIZE, *message = ip + IPV6_SIZE;

    put_ethernet(frame, group_mac, mac, TYPE_IPV6);
    message[0] = SOLICITATION;
    memcpy(message + 8, address, 16);
    put_ipv6(ip, NULL, group, NEIGHBOUR_SIZE);
    return ETHERNET_SIZE + IPV6_SIZE + NEIGHBOUR_SIZE;
}

static bool decode_advertisement(const uint8_t *ip, size_t length, struct address *address,
                                 uint8_t *mac)
{
    const uint8_t *message = ip + IPV6_SIZE;

    if (length < IPV6_SIZE + NEIGHBOUR_SIZE || ip[6] != ICMPV6 || message[0] != ADVERTISEMENT)
        return false;
    memcpy(address->bytes, message + 8, 16);
    if (length >= IPV6_SIZE + NEIGHBOUR_SIZE + OPTION_SIZE &&
        message[NEIGHBOUR_SIZE] == OPTION_TARGET_MAC)
        memcpy(mac, message + NEIGHBOUR_SIZE + 2, NEIGHBOUR_MAC_SIZE);
    address->is_ipv6 = true;
    return true;
}

/* ---- both ---- */

size_t neighbour_encode_announcement(uint8_t frame[static NEIGHBOUR_FRAME_MAX],
                                     const uint8_t mac[static NEIGHBOUR_MAC_SIZE],
                                     const struct address *address, bool is_reply)
{
    memset(frame, 0, NEIGHBOUR_FRAME_MAX);
    if (address->is_ipv6)
        return encode_advertisement(frame, mac, address->bytes);
    return encode_arp(frame, is_reply ? ARP_REPLY : ARP_REQUEST, mac, address->bytes,
                      address->bytes);
}

size_t neighbour_encode_question(uint8_t frame[static NEIGHBOUR_FRAME_MAX],
                                 const uint8_t mac[static NEIGHBOUR_MAC_SIZE],
                                 const struct address *address)
{
    static const uint8_t none[4];

    memset(frame, 0, NEIGHBOUR_FRAME_MAX);
    return address->is_ipv6 ? encode_solicitation(frame, mac, address->bytes)
                            : encode_arp(frame, ARP_REQUEST, mac, none, address->bytes);
}

bool neighbour_decode(const uint8_t *frame, size_t length, struct address *address,
                      uint8_t mac[static NEIGHBOUR_MAC_SIZE])
{
    *address = (struct address){0};
    if (length < ETHERNET_SIZE)
        return false;
    memcpy(mac, frame + 6, NEIGHBOUR_MAC_SIZE);
    frame += ETHERNET_SIZE;
    length -= ETHERNET_SIZE;
    switch (get_be16(frame - 2)) {
    case TYPE_ARP:
        return decode_arp(frame, length, address, mac);
    case TYPE_IPV6:
        return decode_advertisement(frame, length, address, mac);
    default:
        return false;
    }
}
