#include "sim-cluster/wire_frame.h"

#include "target/base/bytes.h"

#include <string.h>

enum { TYPE_OFFSET = 12, HEADER_SIZE = 14 };

/* Where the addresses are, from the beginning of the frame. */
static const struct layout {
    uint16_t ether_type;
    uint8_t from, to, size;
    bool is_ipv6;
} layouts[] = {
    {0x0800, HEADER_SIZE + 12, HEADER_SIZE + 16, 4, false}, /* IPv4 */
    {0x0806, HEADER_SIZE + 14, HEADER_SIZE + 24, 4, false}, /* ARP */
    {0x86dd, HEADER_SIZE + 8, HEADER_SIZE + 24, 16, true},  /* IPv6 */
};

static struct address address_at(const uint8_t *bytes, const struct layout *layout)
{
    struct address address = {.is_ipv6 = layout->is_ipv6};

    memcpy(address.bytes, bytes, layout->size);
    return address;
}

bool wire_frame_decode(const uint8_t *frame, size_t length, struct address *from,
                       struct address *to)
{
    for (size_t i = 0; i < sizeof(layouts) / sizeof(*layouts); i++) {
        const struct layout *layout = &layouts[i];

        if (length < (size_t)layout->to + layout->size ||
            get_be16(frame + TYPE_OFFSET) != layout->ether_type)
            continue;
        *from = address_at(frame + layout->from, layout);
        *to = address_at(frame + layout->to, layout);
        return true;
    }
    return false;
}
