/* Negotiation of the operational keys of RFC 7143 section 13: what each key may be, what we want,
 * what comes out. Pure: text in, answers and parameters out. Names, addresses and authentication
 * belong to login. */
#pragma once

#include "target/base/buffer.h"
#include "target/iscsi/text.h"

#include <stdbool.h>
#include <stdint.h>

struct session_params {
    bool header_digest, data_digest; /* CRC32C */
    bool initial_r2t, immediate_data;
    bool data_pdu_in_order, data_sequence_in_order;
    uint32_t max_send_data;          /* the initiator's MaxRecvDataSegmentLength, bytes */
    uint32_t max_recv_data;          /* ours, as declared */
    uint32_t max_burst, first_burst; /* bytes */
    uint32_t max_outstanding_r2t, max_connections;
    uint32_t time2wait, time2retain; /* seconds */
    uint32_t error_recovery_level, protocol_level;
};

struct negotiation {
    struct session_params params; /* the result so far: defaults at first */
    uint32_t seen;                /* keys of the table already negotiated, a bit each */
};

enum {
    MAX_RECV_DATA_DEFAULT = 8192,   /* RFC 7143 13.12 */
    MAX_RECV_DATA_OURS = 256 << 10, /* bytes, both directions of what we declare and use */
    MAX_OUTSTANDING_R2T_OURS = 4,
};

enum negotiation_phase { NEGOTIATE_LOGIN, NEGOTIATE_FULL_FEATURE };

enum negotiate_result {
    NEGOTIATE_DONE,      /* handled and, where the key wants one, answered */
    NEGOTIATE_UNKNOWN,   /* not a key of this table */
    NEGOTIATE_DUPLICATE, /* offered twice: ends the negotiation */
    NEGOTIATE_INVALID,   /* a declaration out of its range: ends the negotiation */
};

void negotiation_init(struct negotiation *negotiation);

/* Takes one offered pair and appends the answer. In discovery sessions, keys that mean nothing
 * there are answered Irrelevant. */
enum negotiate_result negotiate_key(struct negotiation *negotiation, enum negotiation_phase phase,
                                    bool is_discovery, const struct text_pair *pair,
                                    struct buffer *answer);
