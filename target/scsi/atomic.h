/* What the commands take that nothing may come between; VPD page B0h tells. */
#pragma once

enum {
    COMPARE_MAXIMUM = 1,          /* blocks of COMPARE AND WRITE */
    ATOMIC_MAXIMUM = 1024 * 1024, /* bytes of WRITE ATOMIC(16) and ORWRITE(16) */
};
