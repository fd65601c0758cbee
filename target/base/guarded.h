/* Touching memory that may not be there: a mapping of a file that somebody has cut, or that a full
 * disk has no room for. What would end the process (SIGBUS) ends what it was doing. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

typedef void guarded_function(void *argument);

/* Runs it. false: it did not get to its end, because there is no memory at *missing (which may be
 * NULL). It holds nothing that has to be given back, and runs nothing guarded itself. */
bool guarded_run(guarded_function *run, void *argument, const uint8_t **missing);
