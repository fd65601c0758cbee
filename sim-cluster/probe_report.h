/* What the probe says: sentences and tables for people, one JSON object for programs. */
#pragma once

#include <jansson.h>
#include <stdio.h>

#include "sim-cluster/probe_load.h"

#define PROBE_SENTENCE_SIZE 256

/* "lost: sector 8 must hold write 5, but holds zeros". Returns `sentence`. `first`: the block's
 * first sector. */
char *probe_describe_fault(char sentence[static PROBE_SENTENCE_SIZE],
                           const struct probe_verdict *verdict, uint64_t first);

/* "stall 612 ms at 14:03:22: the connection was lost; lost at 5 ms, connected at 401 ms, ..." */
void probe_print_stall(FILE *out, const struct probe_stall *stall);

/* How it goes now; clears the figures' recent part. No end of line. */
void probe_print_progress(FILE *out, struct probe_load *load, double interval_s);

void probe_print_summary(FILE *out, const struct probe_load *load);

/* The object of `probe --json`; the caller owns it. */
json_t *probe_report(const struct probe_load *load);

/* Nothing lost, stale, torn, foreign or failed, and everything read back. */
bool probe_is_good(const struct probe_load *load);
