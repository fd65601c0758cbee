#include "tests/bench/common.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

void die(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    exit(1);
}

static void read_option(const struct option_row *rows, size_t count, const char *name,
                        const char *value)
{
    for (size_t i = 0; i < count; i++) {
        char *end = "";

        if (strcmp(rows[i].name, name))
            continue;
        if (rows[i].number)
            *rows[i].number = strtoull(value, &end, 0);
        else
            *rows[i].text = value;
        if (*end)
            die("%s: %s is no number", name, value);
        return;
    }
    die("there is no option %s", name);
}

void options_read(const struct option_row *rows, size_t count, char **words)
{
    for (; *words; words += 2) {
        if (!words[1])
            die("%s needs a value", *words);
        read_option(rows, count, *words, words[1]);
    }
}

uint64_t now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* utime and stime, proc(5). */
static double cpu_of_process(long pid)
{
    char path[64], line[1024], *rest;
    unsigned long user, system;

    snprintf(path, sizeof(path), "/proc/%ld/stat", pid);
    FILE *file = fopen(path, "r");
    if (!file || !fgets(line, sizeof(line), file))
        die("%s: %s", path, strerror(errno));
    fclose(file);
    rest = strrchr(line, ')'); /* a name may hold anything */
    if (!rest || sscanf(rest + 2, "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user,
                        &system) != 2)
        die("%s: not understood", path);
    return (double)(user + system) / (double)sysconf(_SC_CLK_TCK);
}

double cpu_of(const char *pids)
{
    double sum = 0;

    while (pids && *pids) {
        char *end;

        sum += cpu_of_process(strtol(pids, &end, 10));
        pids = *end ? end + 1 : end;
    }
    return sum;
}

double cpu_of_this(void)
{
    struct rusage usage;

    getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

struct sockaddr_in address_parse(const char *text)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    const char *colon = text ? strchr(text, ':') : NULL;
    char host[INET_ADDRSTRLEN] = "";

    if (colon && (size_t)(colon - text) < sizeof(host))
        memcpy(host, text, (size_t)(colon - text));
    if (inet_pton(AF_INET, host, &address.sin_addr) != 1)
        die("%s is no ADDRESS:PORT", text ? text : "(nothing)");
    address.sin_port = htons((uint16_t)strtoul(colon + 1, NULL, 10));
    return address;
}

int address_connect(const struct sockaddr_in *address)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;

    if (fd < 0 || connect(fd, (const struct sockaddr *)address, sizeof(*address)))
        die("cannot connect: %s", strerror(errno));
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    return fd;
}

void raise_descriptor_limit(void)
{
    struct rlimit limit;

    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
}
