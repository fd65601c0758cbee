/* The time of an event as text and back. */
#include "target/base/event.h"

#include "target/base/decimal.h"

#include <time.h>

enum part { YEAR, MONTH, DAY, HOUR, MINUTE, SECOND, PARTS };

enum { FRACTION_DIGITS = 6 };

static const struct {
    unsigned digits, least, most;
    char end;
} parts[PARTS] = {
    [YEAR] = {4, 1, 9999, '-'}, [MONTH] = {2, 1, 12, '-'},  [DAY] = {2, 1, 31, 'T'},
    [HOUR] = {2, 0, 23, ':'},   [MINUTE] = {2, 0, 59, ':'}, [SECOND] = {2, 0, 60, '.'},
};

double event_now(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

void event_format_time(char stamp[static EVENT_TIME_SIZE], double unix_time)
{
    time_t seconds = (time_t)unix_time;
    unsigned micros = (unsigned)((unix_time - (double)seconds) * 1e6) % 1000000;
    struct tm utc = {0};

    gmtime_r(&seconds, &utc);
    const int values[PARTS] = {
        [YEAR] = utc.tm_year + 1900, [MONTH] = utc.tm_mon + 1, [DAY] = utc.tm_mday,
        [HOUR] = utc.tm_hour,        [MINUTE] = utc.tm_min,    [SECOND] = utc.tm_sec,
    };

    for (int i = 0; i < PARTS; i++) {
        stamp = decimal_write_padded(stamp, (unsigned)values[i], parts[i].digits);
        *stamp++ = parts[i].end;
    }
    stamp = decimal_write_padded(stamp, micros, FRACTION_DIGITS);
    *stamp++ = 'Z';
    *stamp = '\0';
}

/* Since 1970-01-01. Years are counted from March on, so that a leap day is the last one. */
static int64_t days_until(int64_t year, int64_t month, int64_t day)
{
    int64_t years = month < 3 ? year - 1 : year, months = (month + 9) % 12;

    return years * 365 + years / 4 - years / 100 + years / 400 + (153 * months + 2) / 5 + day -
           719469;
}

/* The digits behind the point. */
static double fraction_of(const char *digits)
{
    double value = 0, unit = 1;

    for (; *digits >= '0' && *digits <= '9'; digits++) {
        value = value * 10 + (*digits - '0');
        unit *= 10;
    }
    return value / unit;
}

double event_parse_time(const char *stamp)
{
    int64_t values[PARTS], seconds;

    for (int i = 0; i < PARTS; i++) {
        if (!stamp || (i && *stamp++ != parts[i - 1].end))
            return 0;
        values[i] = decimal_read_padded(stamp, parts[i].digits);
        if (values[i] < parts[i].least || values[i] > parts[i].most)
            return 0;
        stamp += parts[i].digits;
    }
    seconds = days_until(values[YEAR], values[MONTH], values[DAY]) * 86400 + values[HOUR] * 3600 +
              values[MINUTE] * 60 + values[SECOND];
    return (double)seconds + (*stamp == parts[SECOND].end ? fraction_of(stamp + 1) : 0);
}
