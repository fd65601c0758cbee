/* What the load programs share: time, processor time of the server's processes, addresses, words of
 * the command line. Trouble ends the program with a line. */
#pragma once

#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>

/* A word of the command line, `--name VALUE`; the target is one of the two. */
struct option_row {
    const char *name;
    uint64_t *number;
    const char **text;
};

_Noreturn void die(const char *format, ...) __attribute__((format(printf, 1, 2)));
void options_read(const struct option_row *rows, size_t count, char **words);

uint64_t now_ns(void);

/* Seconds that the processes (ids with commas between) have used, all their threads. */
double cpu_of(const char *pids);
double cpu_of_this(void);

/* "127.0.0.1:3260" */
struct sockaddr_in address_parse(const char *text);
int address_connect(const struct sockaddr_in *address);

/* Many sessions are many descriptors. */
void raise_descriptor_limit(void);
