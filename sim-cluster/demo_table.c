#include "sim-cluster/demo_table.h"

#include "target/base/event.h"

#include <stdio.h>
#include <string.h>

/* Of all stalls that began during the step the longest; NULL: the probe felt nothing. */
static const json_t *find_stall(const json_t *report, const struct demo_step *step)
{
    char begun[EVENT_TIME_SIZE], ended[EVENT_TIME_SIZE];
    const json_t *longest = NULL;
    size_t i;
    json_t *stall;

    event_format_time(begun, step->begun - 0.1);
    event_format_time(ended, step->ended);
    json_array_foreach (json_object_get(report, "stalls"), i, stall) {
        const char *at = json_string_value(json_object_get(stall, "at"));

        if (at && strcmp(at, begun) >= 0 && strcmp(at, ended) < 0 &&
            (!longest || json_integer_value(json_object_get(stall, "ms")) >
                             json_integer_value(json_object_get(longest, "ms"))))
            longest = stall;
    }
    return longest;
}

static void print_stages(const json_t *stages)
{
    static const struct {
        const char *key, *word;
    } parts[] = {
        {"lost_ms", "lost after"},           {"connected_ms", "connected"},
        {"redirected_ms", "redirected"},     {"logged_in_ms", "logged in"},
        {"first_answer_ms", "first answer"},
    };
    int count = 0;

    for (size_t i = 0; i < sizeof(parts) / sizeof(*parts); i++) {
        const json_t *at = json_object_get(stages, parts[i].key);

        if (at)
            printf("%s%s %lld", count++ ? ", " : "", parts[i].word,
                   (long long)json_integer_value(at));
    }
}

static void print_step(const struct demo_step *step, const json_t *report)
{
    const json_t *stall = find_stall(report, step);

    printf("  %-42s ", step->what);
    if (!stall) {
        puts("     none");
        return;
    }
    printf("%6lld ms  ", (long long)json_integer_value(json_object_get(stall, "ms")));
    print_stages(json_object_get(stall, "stages"));
    putchar('\n');
}

void demo_table_print(const struct demo_step *steps, int count, const json_t *report)
{
    static const char *const wrongs[] = {"lost", "stale", "torn", "foreign"};

    printf("  %-42s %9s  %s\n", "WHAT", "STALL", "STAGES, ms");
    for (int i = 0; i < count; i++)
        print_step(&steps[i], report);
    if (!report) {
        puts("\nThe probe left no report.");
        return;
    }
    printf("\n%lld operations; ",
           (long long)json_integer_value(json_object_get(report, "operations")));
    for (size_t i = 0; i < sizeof(wrongs) / sizeof(*wrongs); i++)
        printf("%s%lld %s", i ? ", " : "",
               (long long)json_integer_value(json_object_get(report, wrongs[i])), wrongs[i]);
    puts("");
}
