/* A disk that fails: stands in front of another one while a rule for disks is set, and passes on
 * what no rule strikes. What it does to data behind the back of the initiator is entered in a
 * ledger, a JSON object a line. */
#pragma once

#include "target/base/faults.h"
#include "target/disk/disk.h"

struct faulty_disk;

/* `faults` outlives it; `volume` and `ledger`, a path, are copied. */
struct faulty_disk *faulty_disk_new(struct faults *faults, const char *volume, const char *ledger);
/* Takes `inner`. Once, before the first request. */
void faulty_disk_set_inner(struct faulty_disk *faulty, struct disk *inner);
struct disk *faulty_disk_of(struct faulty_disk *faulty);
/* The rules have changed. The inner disk, when nothing is needed or under way any more: then it is
 * the caller's and the faulty one is gone; else NULL. */
struct disk *faulty_disk_follow(struct faulty_disk *faulty);
/* From the next flush on nothing is kept back: the disk is about to be closed in good order. */
void faulty_disk_settle(struct faulty_disk *faulty);
