/* The ways in which blocks get out of a file and into it: each moves a batch of commands, and all
 * move the same. One that the kernel or the file system does not have ends the program: it prints
 * {"refused": ...}, which is a result. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum { FILE_BATCH_MAX = 16 };

struct file_job {
    int file;
    bool is_writing;
    uint64_t region, block, batch; /* bytes, bytes, commands */
    uint8_t *buffer;               /* borrowed: the blocks of a batch, one after the other */
    off_t places[FILE_BATCH_MAX];  /* in the file: where each command goes */
    uint8_t *mapping;              /* of the file, where a way has one; lives as the program does */
    uint64_t again;                /* commands that would have waited, done a second time */
};

struct file_way {
    const char *name;
    void (*open)(struct file_job *job); /* NULL: nothing to do */
    void (*move)(struct file_job *job);
};

/* NULL: there is none of this name. */
const struct file_way *file_way_find(const char *name);

_Noreturn void file_way_refuse(const char *what, int error);
