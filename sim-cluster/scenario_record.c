#include "sim-cluster/scenario_record.h"

#include "target/base/event.h"

#include <stdio.h>
#include <string.h>

const char *record_text(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));

    return text ? text : "";
}

long long record_number(const json_t *object, const char *key)
{
    return (long long)json_integer_value(json_object_get(object, key));
}

double record_time(const json_t *object, const char *key)
{
    return event_parse_time(json_string_value(json_object_get(object, key)));
}

void record_format_duration(char text[static RECORD_DURATION_SIZE], double ms)
{
    bool is_long = ms >= 10000;

    snprintf(text, RECORD_DURATION_SIZE, "%.*f %s", is_long, is_long ? ms / 1000 : ms,
             is_long ? "s" : "ms");
}

bool record_is_event(const json_t *event, const char *kind)
{
    return !strcmp(record_text(event, "event"), kind);
}
