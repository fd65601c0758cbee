/* What UNMAP and WRITE SAME take at once; VPD page B0h tells. */
#pragma once

enum {
    UNMAP_DESCRIPTORS_MAXIMUM = 256,
    WRITE_SAME_MAXIMUM = 128 * 1024 * 1024, /* bytes */
};
