/* A file in memory, window by window. How what is mapped may be read says target/base/span.h; what
 * is written is copied under the care of redo.h. Only what the page cache held a moment ago is used
 * so, so that nobody waits for the disk. Asking for that costs more than a small read: it is done
 * for large pieces, and for places that are read again and again. Places that are written again and
 * again are written there: after each time that the kernel has put a page on the disk, the first
 * write to it costs a fault. */
#pragma once

#include "target/base/span.h"
#include "target/disk/redo.h"
#include "target/disk/workers.h"

struct mapping;

/* `descriptor` is borrowed, and so is `redo`; NULL: nothing is written here. The workers, which
 * outlive it, take the windows down. */
struct mapping *mapping_new(struct workers *workers, int descriptor, struct redo *redo);
/* What is under way is copied aside before. NULL is fine. */
void mapping_free(struct mapping *mapping);

/* The range, in bytes of the file, in memory: source, bytes, offset and length of `span`. false:
 * not there, or not known to be. */
bool mapping_find(struct mapping *mapping, uint64_t offset, uint64_t length, struct span *span);

/* Writes the range, which has been told to be about to change. false: it is to be written in
 * another way. */
bool mapping_write(struct mapping *mapping, uint64_t offset, const uint8_t *bytes, uint64_t length);

/* The range is about to change, or (`goes`) to lose its place in the page cache, too. */
void mapping_change(struct mapping *mapping, uint64_t offset, uint64_t length, bool goes);
