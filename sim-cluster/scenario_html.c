/* The report for people: one page that needs nothing else. */
#include "sim-cluster/console.h"
#include "sim-cluster/scenario_chart.h"
#include "sim-cluster/scenario_page.h"
#include "sim-cluster/scenario_report.h"

#include <stdlib.h>
#include <string.h>

enum { EVENTS_MAX = 2000 };

static void write_cell(FILE *file, const char *text)
{
    fputs("<td>", file);
    scenario_write_escaped(file, text);
    fputs("</td>", file);
}

/* ---- what was expected ---- */

static void write_verdict(FILE *file, bool passed, const char *what, const char *evidence)
{
    fprintf(file, "<tr%s><td class=\"%s\">%s</td><td><code>", passed ? "" : " class=\"broken\"",
            passed ? "yes" : "no", passed ? "\xe2\x9c\x93 holds" : "\xe2\x9c\x97 fails");
    scenario_write_escaped(file, what);
    fputs("</code></td>", file);
    write_cell(file, evidence);
    fputs("</tr>\n", file);
}

/* Those that fail come first. */
static void write_expectations(FILE *file, const json_t *record)
{
    size_t i;
    const json_t *entry;

    fputs("<h2>What was expected</h2><table>\n", file);
    json_array_foreach (json_object_get(record, "trouble"), i, entry)
        write_verdict(file, false, "the run", json_string_value(entry));
    for (int passed = 0; passed <= 1; passed++)
        json_array_foreach (json_object_get(record, "expectations"), i, entry)
            if (json_is_true(json_object_get(entry, "passed")) == passed)
                write_verdict(file, passed, record_text(entry, "what"),
                              record_text(entry, "evidence"));
    fputs("</table>\n", file);
}

/* ---- events ---- */

/* How many events from `index` on say the same, those that are not shown left out; *next is behind
 * them. */
static size_t count_alike(const json_t *events, size_t index, const char *sentence, size_t *next)
{
    size_t count = 0;

    for (*next = index; *next < json_array_size(events); ++*next) {
        const json_t *event = json_array_get(events, *next);
        char *other = console_is_detail(event) ? NULL : console_sentence(event);
        bool is_alike = !other || !strcmp(other, sentence);

        count += other && is_alike;
        free(other);
        if (!is_alike)
            break;
    }
    return count;
}

/* Gives the index of the event behind it and those that say the same. */
static size_t write_event(FILE *file, const json_t *record, size_t index)
{
    const json_t *events = json_object_get(record, "events");
    const json_t *event = json_array_get(events, index);
    char *sentence = console_sentence(event);
    size_t next, count = count_alike(events, index, sentence, &next);

    fprintf(file, "<tr class=\"%s\"><td class=\"number\">%.3f s</td><td><code>%s</code></td><td>",
            console_tone(event), record_time(event, "time") - record_time(record, "steady"),
            record_text(event, "event"));
    scenario_write_escaped(file, sentence);
    if (count > 1)
        fprintf(file, " <b>%zu times</b>", count);
    fputs("</td></tr>\n", file);
    free(sentence);
    return next;
}

static void write_all_events(FILE *file, const json_t *events)
{
    size_t count = json_array_size(events), shown = count < EVENTS_MAX ? count : EVENTS_MAX;

    fprintf(file, "<details><summary>As recorded: %s%zu events</summary><pre>\n",
            shown < count ? "the first of " : "", count);
    for (size_t i = 0; i < shown; i++) {
        char *line = json_dumps(json_array_get(events, i), JSON_COMPACT);

        scenario_write_escaped(file, line);
        fputc('\n', file);
        free(line);
    }
    fputs("</pre></details>\n", file);
}

static void write_events(FILE *file, const json_t *record)
{
    const json_t *events = json_object_get(record, "events");
    size_t i = 0;

    fputs("<h2>What happened</h2><table class=\"events\">\n", file);
    while (i < json_array_size(events))
        i = console_is_detail(json_array_get(events, i)) ? i + 1 : write_event(file, record, i);
    fputs("</table>\n", file);
    write_all_events(file, events);
}

/* ---- the page ---- */

static void write_head(FILE *file, const json_t *record)
{
    const char *verdict = json_is_true(json_object_get(record, "passed")) ? "passed" : "failed";

    fputs("<!doctype html><html lang=\"en\"><meta charset=\"utf-8\">"
          "<meta name=\"viewport\" content=\"width=device-width\"><title>",
          file);
    scenario_write_escaped(file, record_text(record, "title"));
    fprintf(file, " - %s</title><style>%s</style>\n<h1><span class=\"badge %s\">%s</span>", verdict,
            scenario_style, verdict, *verdict == 'p' ? "PASSED" : "FAILED");
    scenario_write_escaped(file, record_text(record, "title"));
    fputs("</h1>\n<p class=\"faint\">", file);
    scenario_write_escaped(file, record_text(record, "scenario"));
    fprintf(file, ", seed %lld, %.10s %.8s UTC, %.1f s</p>\n", record_number(record, "seed"),
            record_text(record, "begun"), record_text(record, "begun") + 11,
            record_time(record, "ended") - record_time(record, "begun"));
}

void scenario_write_html(FILE *file, const json_t *record)
{
    write_head(file, record);
    scenario_page_write_figures(file, record);
    write_expectations(file, record);
    fputs("<h2>Timeline</h2>\n", file);
    scenario_chart_write(file, record);
    scenario_page_write_stalls(file, record);
    write_events(file, record);
    fputs("</html>\n", file);
}
