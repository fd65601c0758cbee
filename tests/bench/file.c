/* What the file alone costs: blocks that are in the page cache, read or written in one of several
 * ways. Prints JSON. Or fills the file, which is the start of every measurement. */
#include "tests/bench/common.h"
#include "tests/bench/file_ways.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { BUFFER = 256 << 10 };

static uint8_t buffer[BUFFER];

/* In small writes: what the page cache then holds in small pieces does not make small writes slow
 * (ext4 walks all of a large folio). */
static void fill(int file, uint64_t region)
{
    enum { PIECE = 4096 };
    uint64_t state = 88172645463325252u;

    for (uint64_t at = 0; at < region; at += PIECE) {
        for (size_t i = 0; i < PIECE; i += sizeof(state)) {
            state ^= state << 13, state ^= state >> 7, state ^= state << 17;
            memcpy(buffer + i, &state, sizeof(state));
        }
        if (pwrite(file, buffer, PIECE, (off_t)at) != PIECE)
            die("pwrite: %s", strerror(errno));
    }
}

/* Until the time is over; gives the commands done. */
static uint64_t run(const struct file_way *way, struct file_job *job, bool is_sequential,
                    uint64_t until)
{
    uint64_t done = 0, state = 88172645463325252u, blocks = job->region / job->block;

    for (; now_ns() < until; done += job->batch) {
        for (uint64_t i = 0; i < job->batch; i++) {
            state ^= state << 13, state ^= state >> 7, state ^= state << 17;
            job->places[i] = (off_t)((is_sequential ? done + i : state) % blocks * job->block);
        }
        way->move(job);
    }
    return done;
}

static void measure(const struct file_way *way, struct file_job *job, bool is_sequential,
                    uint64_t milliseconds)
{
    job->buffer = buffer;
    job->batch = BUFFER / job->block < FILE_BATCH_MAX ? BUFFER / job->block : FILE_BATCH_MAX;
    if (way->open)
        way->open(job);
    double cpu = cpu_of_this();
    uint64_t begun = now_ns();
    uint64_t done = run(way, job, is_sequential, begun + milliseconds * 1000000);

    printf("{\"seconds\": %.6f, \"commands\": %llu, \"bytes\": %llu, \"server_cpu\": %.6f, "
           "\"again\": %llu}\n",
           (double)(now_ns() - begun) / 1e9, (unsigned long long)done,
           (unsigned long long)(done * job->block), cpu_of_this() - cpu,
           (unsigned long long)job->again);
}

int main(int count, char **words)
{
    struct file_job job = {.block = 4096, .region = 256 << 20};
    uint64_t writes = 0, is_sequential = 0, milliseconds = 300, is_filled = 0;
    const char *path = NULL, *way_name = "pread";
    const struct option_row rows[] = {
        {"--file", NULL, &path},         {"--way", NULL, &way_name},
        {"--block", &job.block, NULL},   {"--writes", &writes, NULL},
        {"--region", &job.region, NULL}, {"--sequential", &is_sequential, NULL},
        {"--fill", &is_filled, NULL},    {"--milliseconds", &milliseconds, NULL},
    };

    (void)count;
    options_read(rows, sizeof(rows) / sizeof(rows[0]), words + 1);
    const struct file_way *way = file_way_find(way_name);
    if (!way)
        die("there is no way %s", way_name);
    job.is_writing = writes;
    job.file = path ? open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600) : -1;
    if (job.file < 0 || !job.block || job.block > BUFFER || job.region < job.block)
        die("%s: %s", path ? path : "--file", strerror(errno));
    if (is_filled) {
        fill(job.file, job.region);
        return fdatasync(job.file) ? 1 : 0;
    }
    measure(way, &job, is_sequential, milliseconds);
    return 0;
}
