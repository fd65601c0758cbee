#include "sim-cluster/scenario_record.h"

#include "target/base/event.h"

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

bool record_is_event(const json_t *event, const char *kind)
{
    return !strcmp(record_text(event, "event"), kind);
}
