#include "target/base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <time.h>

static enum log_level threshold = LOG_INFO;

void log_set_level(enum log_level level)
{
    threshold = level;
}

void log_line(enum log_level level, const char *format, ...)
{
    static const char *const names[] = {"error", "warning", "info", "debug"};
    char line[1024], stamp[32];
    struct timespec now;
    struct tm utc;
    va_list arguments;

    if (level > threshold)
        return;
    clock_gettime(CLOCK_REALTIME, &now);
    strftime(stamp, sizeof(stamp), "%H:%M:%S", gmtime_r(&now.tv_sec, &utc));
    va_start(arguments, format);
    vsnprintf(line, sizeof(line), format, arguments);
    va_end(arguments);
    fprintf(stderr, "%s.%03ld %s: %s\n", stamp, now.tv_nsec / 1000000, names[level], line);
}
