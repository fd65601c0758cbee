/* Copies into a mapping of a disk's file, each of which is whole or not there when the process is
 * killed in the middle: the bytes still lie in the landing, of which the disk's record is a name
 * beside its file, and are copied again when the disk is opened next. What did not land there is
 * whole by the page. Where memory of the mapping cannot be had (a full disk, a file that somebody
 * has cut) a copy fails, and the process lives. */
#pragma once

#include "target/disk/landing.h"

struct redo;

/* `path` and `descriptor`, which is borrowed: of the disk's file. `boot`: of landing_read_boot,
 * copied. `landing`: borrowed; NULL: nothing can be copied. */
struct redo *redo_new(const char *path, int descriptor, const char *boot, struct landing *landing);
/* NULL is fine. Nothing is under way any more. */
void redo_free(struct redo *redo);

/* Ends what a process that is gone had begun to copy into the file. 0 or -errno. */
int redo_replay(struct redo *redo);

/* Copies `length` bytes to `to`, which is the place `offset` of the file. false: some of it could
 * not be copied; all of it is to be written in another way. */
bool redo_copy(struct redo *redo, uint8_t *to, uint64_t offset, const uint8_t *bytes,
               uint64_t length);
