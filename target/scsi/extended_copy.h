/* EXTENDED COPY: its limits, and the service actions of the opcodes of third-party copy. */
#pragma once

enum {
    OPCODE_THIRD_PARTY_OUT = 0x83,
    OPCODE_THIRD_PARTY_IN = 0x84,
};

enum third_party_action {
    ACTION_EXTENDED_COPY1 = 0x00,
    ACTION_EXTENDED_COPY4 = 0x01,
    ACTION_POPULATE_TOKEN = 0x10,
    ACTION_WRITE_USING_TOKEN = 0x11,
    ACTION_COPY_ABORT = 0x1c,
};

enum {
    SEGMENT_BLOCK_TO_BLOCK = 0x02,
    SEGMENT_BLOCK_TO_BLOCK_BYTES = 0x0a, /* with byte offsets */
    TARGET_BY_IDENTIFIER = 0xe4,
};

/* Descriptor type codes, ascending: what SPC-4 calls the implemented ones. */
#define EXTENDED_COPY_TYPES                                                                        \
    {                                                                                              \
        SEGMENT_BLOCK_TO_BLOCK, SEGMENT_BLOCK_TO_BLOCK_BYTES, TARGET_BY_IDENTIFIER                 \
    }

enum {
    COPY_SEGMENT_BYTES_MAXIMUM = 0x7fffffff, /* of one segment; reported */
    COPY_GRANULARITY = 9,                    /* of segments, as a power of two; reported */
};
