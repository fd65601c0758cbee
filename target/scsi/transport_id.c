#include "target/scsi/transport_id.h"

#include "target/base/bytes.h"

#include <string.h>

/* Format 01b: name and initiator session identifier; the protocol is iSCSI. */
enum { FORMAT_PORT_ISCSI = 0x45, FORMAT_AND_PROTOCOL = 0xcf, HEADER = 4, TEXT_MINIMUM = 20 };

size_t transport_id_encode(uint8_t bytes[static TRANSPORT_ID_MAXIMUM], const char *initiator_port)
{
    size_t length = strlen(initiator_port), padded = (length + 4) & ~(size_t)3;

    if (padded < TEXT_MINIMUM)
        padded = TEXT_MINIMUM;
    memset(bytes, 0, HEADER + padded);
    bytes[0] = FORMAT_PORT_ISCSI;
    put_be16(bytes + 2, (uint16_t)padded);
    memcpy(bytes + HEADER, initiator_port, length);
    return HEADER + padded;
}

size_t transport_id_decode(const uint8_t *bytes, size_t length,
                           char initiator_port[static INITIATOR_PORT_SIZE])
{
    size_t text, name;

    if (length < HEADER || (bytes[0] & FORMAT_AND_PROTOCOL) != FORMAT_PORT_ISCSI)
        return 0;
    text = get_be16(bytes + 2);
    if (text < TEXT_MINIMUM || text % 4 || text > length - HEADER)
        return 0;
    name = strnlen((const char *)bytes + HEADER, text);
    if (name == text || name >= INITIATOR_PORT_SIZE)
        return 0;
    memcpy(initiator_port, bytes + HEADER, name + 1);
    return strstr(initiator_port, ",i,0x") ? HEADER + text : 0;
}
