/* Cuts the bytes of a connection into PDUs (RFC 7143 4.2.7): lengths, padding and digests are
 * checked here, so that whoever gets a PDU can trust them. Data segments of SCSI Command and
 * Data-Out PDUs are passed on as they come, without being collected, unless a data digest must be
 * checked first; all other PDUs are delivered whole. No input or output of its own. */
#pragma once

#include "target/iscsi/pdu.h"

#include <stddef.h>

/* Each returns NULL, or why the connection must end. `pdu` is borrowed for the call. */
struct stream_user {
    const char *(*on_begin)(void *owner, const struct pdu *pdu);
    /* The next `length` bytes of the data segment, which is passed from its start to its end. */
    const char *(*on_data)(void *owner, const struct pdu *pdu, const uint8_t *bytes,
                           uint32_t length);
    const char *(*on_end)(void *owner, const struct pdu *pdu);
    /* The data digest is wrong: the PDU was not delivered. */
    const char *(*on_bad_data)(void *owner, const struct pdu *pdu);
};

enum {
    STREAM_SMALL = 8 << 10, /* segments up to this get memory of their size */
    STREAM_LARGE =
        (256 << 10) + 3 + 4, /* up to this, with padding and digest: from what is unused */
    STREAM_UNUSED = 4,
};

/* Memory for segments that come in parts, which the streams of a loop share. Zeroed at first. */
struct stream_memory {
    uint8_t *unused[STREAM_UNUSED]; /* owned; STREAM_LARGE bytes each */
    unsigned count;
};
void stream_memory_free(struct stream_memory *memory);

struct stream {
    const struct stream_user *user;
    void *owner;                     /* borrowed */
    struct stream_memory *memory;    /* borrowed; NULL: nothing is kept */
    bool collects_all;               /* data segments that could pass as they come, too */
    uint32_t max_data_length;        /* MaxRecvDataSegmentLength that we declared */
    bool header_digest, data_digest; /* valid from the next PDU on */
    struct pdu pdu;                  /* the one that is coming in */
    uint8_t *header;                 /* owned: of a PDU that came in parts; NULL: none did */
    uint32_t header_length;          /* bytes kept in `header`; 0: none */
    bool in_segment;                 /* header done, data segment under way */
    bool is_collected;
    uint8_t *segment; /* owned: a collected data segment with padding and digest; NULL: none */
    bool is_large;    /* `segment` has STREAM_LARGE bytes, and goes back to `memory` */
    uint32_t taken;   /* bytes of the segment, padding and digest seen so far */
};

void stream_init(struct stream *stream, const struct stream_user *user, void *owner,
                 struct stream_memory *memory);
void stream_free(struct stream *stream);

/* Takes all `length` bytes. NULL, or why the connection must end. */
const char *stream_feed(struct stream *stream, const uint8_t *bytes, size_t length);

/* Whether a PDU is only partly here. */
bool stream_is_inside(const struct stream *stream);
