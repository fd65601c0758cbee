/* Latencies in buckets of equal relative width: each power of two is cut in 32, so a quantile is
 * at most 3 % above the true value whatever its size. Pure. */
#pragma once

#include <stdint.h>

#define PROBE_HISTOGRAM_BUCKETS 1920 /* 32 exact values, then 59 powers of two of 32 each */

struct probe_histogram {
    uint64_t count, largest;
    uint32_t buckets[PROBE_HISTOGRAM_BUCKETS];
};

void probe_histogram_add(struct probe_histogram *histogram, uint64_t value);

/* The value that `per_mille` thousandths of all values do not exceed; 0 when there are none. */
uint64_t probe_histogram_quantile(const struct probe_histogram *histogram, unsigned per_mille);
