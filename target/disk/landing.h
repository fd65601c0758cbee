/* Where data lands that comes in, to be copied from there into files that are mapped (redo.h): it
 * is memory of a file, so that it is still there when the process is killed in the middle of such a
 * copy. One in a process, which copies one thing at a time: what, stands at the start of the file.
 * While a disk is written so, its record is a second name of this file. */
#pragma once

#include "target/base/guarded.h"

enum {
    LANDING_PAGE = 4096,
    LANDING_BOOT_SIZE = 40,
};

/* Only processes of one machine and boot read each other's. */
struct landing_record {
    char boot[LANDING_BOOT_SIZE];
    uint64_t device, inode;  /* the disk's file */
    uint64_t offset, length; /* in it, bytes; length 0: nothing is under way */
    uint64_t place;          /* in this file, bytes: where they are */
};

struct landing {
    char *path;                    /* owned */
    struct guarded_memory memory;  /* owned: of the whole file */
    struct landing_record *record; /* its first page */
    uint8_t *page;                 /* the second: what did not land here is put here first */
    uint8_t *room;                 /* the rest */
};

/* Tells one run of the machine's kernel from all others: what is under way is worth nothing after
 * it. false: not to be had. */
bool landing_read_boot(char boot[static LANDING_BOOT_SIZE]);

/* A new file at `path`, in the directory of the disks; the name loses what it may have had. `room`
 * in bytes. NULL with errno set. */
struct landing *landing_new(const char *path, size_t room, const char *boot);
/* No record of it is used any more. NULL is fine. */
void landing_free(struct landing *landing);
