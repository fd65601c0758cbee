/* Copies into a mapping of a file, each page's part of which is whole or not there when the process
 * is killed in the middle: it lies in a second file beside the disk's first, and is copied again
 * when the disk is opened next. Where memory of the mapping cannot be had (a full disk, a file that
 * somebody has cut) a copy fails, and the process lives. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum { REDO_BOOT_SIZE = 40 };

struct redo;

/* Tells one run of the machine's kernel from all others: what is under way is worth nothing after
 * it. false: not to be had. */
bool redo_read_boot(char boot[static REDO_BOOT_SIZE]);

/* `path`: of the disk's file; `boot`: of redo_read_boot, copied. */
struct redo *redo_new(const char *path, const char *boot);
/* NULL is fine. Nothing is under way any more. */
void redo_free(struct redo *redo);

/* Ends what a process that is gone had begun to copy into the file. 0 or -errno. */
int redo_replay(struct redo *redo, int descriptor);

/* Copies `length` bytes to `to`, which is the place `offset` of the file. One copy at a time.
 * false: some of it could not be copied; all of it is to be written in another way. */
bool redo_copy(struct redo *redo, uint8_t *to, uint64_t offset, const uint8_t *bytes,
               uint64_t length);
