/* VPD page 8Fh. */
#pragma once

#include "target/scsi/unit.h"

/* Its content after the header of four bytes, into zeroed memory; returns its length. */
size_t copy_page_fill(const struct scsi_nexus *nexus, uint8_t *page);
