/* What the file alone costs: pread or pwrite of blocks that are in the page cache. Prints
 * JSON. Or fills the file, which is the start of every measurement. */
#include "tests/bench/common.h"

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

int main(int count, char **words)
{
    uint64_t block = 4096, writes = 0, sequential = 0, region = 256 << 20, milliseconds = 300;
    uint64_t is_filled = 0;
    uint64_t done = 0, state = 88172645463325252u;
    const char *path = NULL;
    const struct option_row rows[] = {
        {"--file", NULL, &path},      {"--block", &block, NULL},
        {"--writes", &writes, NULL},  {"--sequential", &sequential, NULL},
        {"--region", &region, NULL},  {"--milliseconds", &milliseconds, NULL},
        {"--fill", &is_filled, NULL},
    };

    (void)count;
    options_read(rows, sizeof(rows) / sizeof(rows[0]), words + 1);
    int file = path ? open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600) : -1;
    if (file < 0 || !block || block > BUFFER || region < block)
        die("%s: %s", path ? path : "--file", strerror(errno));
    if (is_filled) {
        fill(file, region);
        return fdatasync(file) ? 1 : 0;
    }
    double cpu = cpu_of_this();
    uint64_t begun = now_ns(), until = begun + milliseconds * 1000000;
    for (; now_ns() < until; done++) {
        state ^= state << 13, state ^= state >> 7, state ^= state << 17;
        off_t at = (off_t)((sequential ? done : state) % (region / block) * block);
        ssize_t length = writes ? pwrite(file, buffer, block, at) : pread(file, buffer, block, at);

        if (length != (ssize_t)block)
            die("%s: %s", path, strerror(errno));
    }
    printf("{\"seconds\": %.6f, \"commands\": %llu, \"bytes\": %llu, \"server_cpu\": %.6f}\n",
           (double)(now_ns() - begun) / 1e9, (unsigned long long)done,
           (unsigned long long)(done * block), cpu_of_this() - cpu);
    return 0;
}
