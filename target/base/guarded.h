/* Touching memory that may not be there: a mapping of a file that somebody has cut, or that a full
 * disk has no room for. What would end the process (SIGBUS) ends what it was doing, or costs what
 * was in that memory. */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef void guarded_function(void *argument);

/* Runs it. false: it did not get to its end, because there is no memory at *missing (which may be
 * NULL). It holds nothing that has to be given back, and runs nothing guarded itself. */
bool guarded_run(guarded_function *run, void *argument, const uint8_t **missing);

/* A mapping of a file that is used by everybody, as memory is. */
struct guarded_memory {
    uint8_t *bytes; /* whole pages */
    size_t length;
    atomic_bool is_lost; /* zeros have taken the place of all that was in it */
};

/* From now on a part that is not there, touched outside of guarded_run, makes it lost. `memory` is
 * borrowed, one in a process; NULL: none any more. */
void guarded_watch(struct guarded_memory *memory);
/* Makes it lost: it is memory of our own from then on. */
void guarded_lose(struct guarded_memory *memory);
bool guarded_has(const struct guarded_memory *memory, const uint8_t *byte);
