/* The buckets and their bounds. */
#include "sim-cluster/probe_histogram.h"

#define STEPS 32 /* buckets to a power of two, and the first value that is not exact */
#define STEP_BITS 5

static unsigned bucket_of(uint64_t value)
{
    if (value < STEPS)
        return (unsigned)value;
    unsigned shift = 63 - STEP_BITS - (unsigned)__builtin_clzll(value);
    return (shift + 1) * STEPS + (unsigned)(value >> shift) - STEPS;
}

static uint64_t largest_in(unsigned bucket)
{
    if (bucket < STEPS)
        return bucket;
    unsigned shift = bucket / STEPS - 1;
    return ((uint64_t)(bucket % STEPS + STEPS) << shift) + ((UINT64_C(1) << shift) - 1);
}

void probe_histogram_add(struct probe_histogram *histogram, uint64_t value)
{
    histogram->buckets[bucket_of(value)]++;
    histogram->count++;
    if (value > histogram->largest)
        histogram->largest = value;
}

uint64_t probe_histogram_quantile(const struct probe_histogram *histogram, unsigned per_mille)
{
    uint64_t wanted = (histogram->count * per_mille + 999) / 1000, seen = 0;

    for (unsigned bucket = 0; bucket < PROBE_HISTOGRAM_BUCKETS && histogram->count; bucket++) {
        seen += histogram->buckets[bucket];
        if (seen >= wanted && seen)
            return largest_in(bucket) < histogram->largest ? largest_in(bucket)
                                                           : histogram->largest;
    }
    return 0;
}
