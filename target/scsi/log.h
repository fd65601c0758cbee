/* What a logical unit counts for its log pages (SPC-4 7.3). */
#pragma once

#include <stdint.h>

struct log {
    double opened;                  /* unix time, seconds */
    uint64_t reads, writes;         /* commands */
    uint64_t blocks_in, blocks_out; /* that hosts have written and read */
};

static inline void log_open(struct log *log, double now)
{
    *log = (struct log){.opened = now};
}

static inline void log_count_read(struct log *log, uint64_t blocks)
{
    log->reads++;
    log->blocks_out += blocks;
}

static inline void log_count_write(struct log *log, uint64_t blocks)
{
    log->writes++;
    log->blocks_in += blocks;
}
