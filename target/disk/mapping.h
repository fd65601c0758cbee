/* A file in memory, for reading, window by window. Nobody but the kernel reads what is mapped
 * (target/base/span.h). It gives out only what the page cache held a moment ago, so that whoever
 * sends it does not wait for the disk. Asking for that costs more than a small read: it is done for
 * large pieces, and for places that are read again and again. */
#pragma once

#include "target/base/span.h"
#include "target/disk/workers.h"

struct mapping;

/* `descriptor` is borrowed; the workers, which outlive it, take the windows down. */
struct mapping *mapping_new(struct workers *workers, int descriptor);
/* What is under way is copied aside before. NULL is fine. */
void mapping_free(struct mapping *mapping);

/* The range, in bytes of the file, in memory: source, bytes, offset and length of `span`. false:
 * not there, or not known to be. */
bool mapping_find(struct mapping *mapping, uint64_t offset, uint64_t length, struct span *span);

/* The range is about to change, or (`goes`) to lose its place in the page cache, too. */
void mapping_change(struct mapping *mapping, uint64_t offset, uint64_t length, bool goes);
