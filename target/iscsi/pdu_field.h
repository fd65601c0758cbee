/* Single fields of PDUs that a target sends, by name: for faults, which make them wrong. */
#pragma once

#include "target/iscsi/pdu.h"

/* Adds to a field of four bytes. false: this PDU does not have it. */
bool pdu_add_to_field(uint8_t bhs[static BHS_SIZE], const char *name, uint32_t by);
/* MaxCmdSN one below ExpCmdSN: no command may be sent (RFC 7143 4.2.2.1). */
void pdu_close_window(uint8_t bhs[static BHS_SIZE]);
