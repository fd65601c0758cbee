/* What the probe writes: every 512-byte sector says by itself which run wrote it, where and when,
 * and carries a CRC32C over the rest of it. So a sector read back tells whose it is, and a block
 * whose sectors come from different writes shows. Pure. */
#pragma once

#include <stdint.h>

#define PROBE_SECTOR_SIZE 512

struct probe_stamp {
    uint64_t run;    /* grows with time: a later run has a larger one */
    uint64_t target; /* probe_stamp_hash of its name */
};

enum probe_content {
    CONTENT_OURS,      /* written here by this run: `sequence` is set */
    CONTENT_BLANK,     /* all zeros */
    CONTENT_EARLIER,   /* written here, by an earlier run */
    CONTENT_MISPLACED, /* written by this run, to another sector */
    CONTENT_STRANGE,   /* written by a later run, or to another target or sector */
    CONTENT_BROKEN,    /* a stamp whose checksum is wrong */
    CONTENT_UNKNOWN,   /* no stamp at all */
};

struct probe_sector {
    enum probe_content content;
    uint64_t sequence; /* of the write, where there is a stamp */
    uint64_t place;    /* the sector it was written to, where there is a stamp */
};

uint64_t probe_stamp_hash(const char *name);

/* Fills `sectors` sectors that go to sector `first` and after; `sequence` is the write's. */
void probe_stamp_write(uint8_t *data, unsigned sectors, const struct probe_stamp *stamp,
                       uint64_t first, uint64_t sequence);

/* What sector `place` of the disk holds, given its 512 bytes. */
struct probe_sector probe_stamp_read(const uint8_t *data, const struct probe_stamp *stamp,
                                     uint64_t place);
