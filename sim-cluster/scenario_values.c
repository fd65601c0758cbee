#include "sim-cluster/scenario_values.h"

#include "target/base/config.h"
#include "target/base/memory.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

char *scenario_check_duration(const char *value)
{
    static const struct config_key key = {.least = 0, .most = 86400000};
    int ms;

    return config_parse_duration(&ms, value, &key, 0);
}

int scenario_duration(const char *value)
{
    static const struct config_key key = {.least = 0, .most = 86400000};
    int ms = 0;

    free(config_parse_duration(&ms, value, &key, 0));
    return ms;
}

bool scenario_parse_range(const char *value, struct scenario_range *range)
{
    char *end;

    *range = (struct scenario_range){0, LLONG_MAX};
    range->least = strtoll(value, &end, 10);
    if (!*end && end != value) {
        range->most = range->least;
        return range->least >= 0;
    }
    if (strncmp(end, "..", 2))
        return false;
    value = end + 2;
    if (*value)
        range->most = strtoll(value, &end, 10);
    return range->least >= 0 && range->most >= range->least && (!*value || !*end);
}

char *scenario_check_range(const char *value)
{
    struct scenario_range range;

    return scenario_parse_range(value, &range)
               ? NULL
               : memory_copy_text("must be a number or a range: 3, 1.., 1..4");
}

char *scenario_check_flag(const char *value)
{
    bool flag;

    return config_parse_flag(&flag, value, NULL, 0);
}

char *scenario_check_any(const char *value)
{
    (void)value;
    return NULL;
}
