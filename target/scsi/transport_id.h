/* TransportIDs of iSCSI initiator ports, SPC-4 7.6.4.6: the name of the port, "iqn...,i,0xISID". */
#pragma once

#include "target/scsi/reservation.h"

enum { TRANSPORT_ID_MAXIMUM = 4 + INITIATOR_PORT_SIZE + 3 };

/* Writes the TransportID of an initiator port; returns its length. */
size_t transport_id_encode(uint8_t bytes[static TRANSPORT_ID_MAXIMUM], const char *initiator_port);

/* Takes the TransportID at the beginning of `length` bytes: its length, or 0: none of an iSCSI
 * initiator port. */
size_t transport_id_decode(const uint8_t *bytes, size_t length,
                           char initiator_port[static INITIATOR_PORT_SIZE]);
