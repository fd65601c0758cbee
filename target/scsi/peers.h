/* What a copy asks of those who know the other volumes: which volume an identifier names, and where
 * its data is. The device server itself knows its own logical unit only. */
#pragma once

#include "target/disk/disk.h"

#include <stdbool.h>
#include <stdint.h>

enum { SCSI_NAA_SIZE = 16 };

struct scsi_lun;

/* A volume found. Served by this process: `lun`, borrowed. Otherwise `disk`, owned by whoever
 * asked, read-only, of `size` bytes. */
struct scsi_peer {
    struct scsi_lun *lun;
    struct disk *disk;
    uint64_t size;
    uint32_t block_size;
};

/* What is done with a ROD token in the place that all nodes share. A token is known by the volume
 * that it was made of and its number. */
enum token_operation {
    TOKEN_KEEP,   /* `text` from now on */
    TOKEN_FETCH,  /* `text` as it was kept, and when it was last used */
    TOKEN_USE,    /* it is being used */
    TOKEN_REVOKE, /* it is no more; whoever comes late learns that it was revoked ... */
    TOKEN_DELETE, /* ... or deleted */
};

struct token_request {
    enum token_operation operation;
    uint8_t naa[SCSI_NAA_SIZE];
    uint64_t number;
    char *text;     /* owned by whoever asks; TOKEN_FETCH: NULL before */
    int64_t used_s; /* since 1970; result of TOKEN_FETCH */
    int error;      /* 0, -ENOENT: nobody knows it, -ESTALE: it was revoked, -ENODATA: deleted, or
                     -errno */
    void (*done)(struct token_request *request); /* from the loop, never from within the call */
    /* The keeper's own. */
    struct work work;
    char *path;
};

struct scsi_peers {
    /* Whether there is a volume of this identifier that the initiator (its port name; NULL:
     * anybody) may see. */
    bool (*find)(struct scsi_peers *peers, const uint8_t naa[static SCSI_NAA_SIZE],
                 const char *initiator_port, struct scsi_peer *peer);
    void (*keep_token)(struct scsi_peers *peers, struct token_request *request);
};
