/* Writes that are whole or not there when the process is killed in the middle: what is written goes
 * to a file beside the disk's first, and is written again when the disk is opened next. (Against
 * the loss of the machine's memory only a forced write is safe, like any other.) */
#pragma once

#include <stdint.h>

struct journal;

/* `path`: of the disk's file. */
struct journal *journal_new(const char *path);
/* NULL is fine. */
void journal_free(struct journal *journal);

/* Writes again to `descriptor` what a process that is gone had begun. 0 or -errno. */
int journal_replay(struct journal *journal, int descriptor);

typedef int journal_write_function(int descriptor, const uint8_t *bytes, uint64_t offset,
                                   uint64_t length, int flags);
/* On any thread; blocks; one at a time. The same result as `write`'s. */
int journal_write(struct journal *journal, journal_write_function *write, int descriptor,
                  const uint8_t *bytes, uint64_t offset, uint64_t length, int flags);
