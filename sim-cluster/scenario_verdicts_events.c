#include "sim-cluster/console.h"
#include "sim-cluster/scenario_verdicts.h"
#include "sim-cluster/scenario_words.h"
#include "target/base/memory.h"

#include <stdlib.h>

static const json_t *find_event(const char *pattern, const json_t *record)
{
    double steady = record_time(record, "steady");
    size_t i;
    json_t *event;

    json_array_foreach (json_object_get(record, "events"), i, event)
        if (record_time(event, "time") >= steady && scenario_matches(pattern, event))
            return event;
    return NULL;
}

static char *show_event(const json_t *event, const json_t *record)
{
    char *sentence = console_sentence(event);
    char *evidence =
        memory_format("%.2f s into the run: %s",
                      record_time(event, "time") - record_time(record, "steady"), sentence);

    free(sentence);
    return evidence;
}

char *scenario_judge_event(const char *value, json_t *record, bool *passed)
{
    const json_t *event = find_event(value, record);

    *passed = event != NULL;
    return event ? show_event(event, record) : memory_copy_text("it was not seen");
}

char *scenario_judge_never(const char *value, json_t *record, bool *passed)
{
    const json_t *event = find_event(value, record);

    *passed = !event;
    return event ? show_event(event, record) : memory_copy_text("it was not seen");
}
