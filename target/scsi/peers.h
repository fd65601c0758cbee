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

struct scsi_peers {
    /* Whether there is a volume of this identifier that the initiator (its port name) may see. */
    bool (*find)(struct scsi_peers *peers, const uint8_t naa[static SCSI_NAA_SIZE],
                 const char *initiator_port, struct scsi_peer *peer);
};
