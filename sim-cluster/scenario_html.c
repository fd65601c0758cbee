/* The report for people: one page that needs nothing else. */
#include "sim-cluster/console.h"
#include "sim-cluster/scenario_chart.h"
#include "sim-cluster/scenario_report.h"
#include "target/base/event.h"

#include <stdlib.h>
#include <string.h>

static const char STYLE[] =
    "body{font:15px/1.45 system-ui,sans-serif;margin:2em auto;max-width:1100px;color:#222}"
    "h1 b{padding:.1em .5em;border-radius:.3em;color:#fff;font-size:.7em;vertical-align:middle}"
    ".passed{background:#2a7d3f}.failed{background:#b3261e}table{border-collapse:collapse;width:"
    "100%}"
    "td,th{text-align:left;padding:.25em .6em;border-bottom:1px solid #ddd;vertical-align:top}"
    "code,pre{font:12px/1.5 ui-monospace,monospace}pre{overflow:auto;max-height:40em}"
    "td.no{color:#b3261e;font-weight:bold}td.yes{color:#2a7d3f}svg{width:100%;background:#fcfcfc}"
    "svg text{font:11px system-ui,sans-serif;fill:#333}.lane{stroke:#ddd}.tick{stroke:#eee}"
    ".step{stroke:#c60;stroke-dasharray:3 2}.state{fill:#f3c6c2}.state.frozen{fill:#c5d9f4}"
    ".state.draining{fill:#f5e6b3}.state.isolated{fill:#f3d3b4}.session{fill:#2a7d3f}"
    ".fault{fill:#f0c040;opacity:.6}.hit{fill:#b3261e}.stall{fill:#b3261e;opacity:.75}"
    "polyline{fill:none;stroke-width:1.3}.operations{stroke:#1a56b0}.longest_us{stroke:#8a2be2}";

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));

    return text ? text : "";
}

static void write_cell(FILE *file, const char *text)
{
    fputs("<td>", file);
    scenario_write_escaped(file, text);
    fputs("</td>", file);
}

static void write_expectations(FILE *file, const json_t *record)
{
    size_t i;
    json_t *entry;

    fputs("<h2>What was expected</h2><table>\n", file);
    json_array_foreach (json_object_get(record, "expectations"), i, entry) {
        int passed = json_is_true(json_object_get(entry, "passed"));

        fprintf(file, "<tr><td class=\"%s\">%s</td>", passed ? "yes" : "no",
                passed ? "ok" : "failed");
        write_cell(file, text_of(entry, "what"));
        write_cell(file, text_of(entry, "evidence"));
        fputs("</tr>\n", file);
    }
    json_array_foreach (json_object_get(record, "trouble"), i, entry) {
        fputs("<tr><td class=\"no\">failed</td><td>the run</td>", file);
        write_cell(file, json_string_value(entry));
        fputs("</tr>\n", file);
    }
    fputs("</table>\n", file);
}

/* ---- stalls ---- */

/* The first event of the kind during the stall, in ms after its begin; -1: none. */
static double find_during(const json_t *record, const char *kind, double from, double to)
{
    size_t i;
    json_t *event;

    json_array_foreach (json_object_get(record, "events"), i, event) {
        double at = event_parse_time(text_of(event, "time"));

        if (!strcmp(text_of(event, "event"), kind) && at >= from && at <= to)
            return (at - from) * 1000;
    }
    return -1;
}

static void write_moment(FILE *file, double ms)
{
    if (ms < 0)
        fputs("<td>-</td>", file);
    else
        fprintf(file, "<td>%.0f</td>", ms);
}

static void write_stage(FILE *file, const json_t *stall, const char *key)
{
    const json_t *ms = json_object_get(json_object_get(stall, "stages"), key);

    write_moment(file, ms ? (double)json_integer_value(ms) : -1);
}

static void write_stalls(FILE *file, const json_t *record)
{
    const json_t *stalls = json_object_get(json_object_get(record, "probe"), "stalls");
    double steady = event_parse_time(text_of(record, "steady"));
    size_t i;
    json_t *stall;

    if (!json_array_size(stalls))
        return;
    fputs("<h2>Stalls</h2><p>Milliseconds after the last answer before it.</p><table><tr><th>at, "
          "s</th>"
          "<th>lost</th><th>detected</th><th>fenced</th><th>moved</th><th>connected</th>"
          "<th>redirected</th><th>logged in</th><th>first answer</th><th>why</th></tr>\n",
          file);
    json_array_foreach (stalls, i, stall) {
        double at = event_parse_time(text_of(stall, "at"));
        double end = at + (double)json_integer_value(json_object_get(stall, "ms")) / 1000;

        fprintf(file, "<tr><td>%.2f</td>", at - steady);
        write_stage(file, stall, "lost_ms");
        write_moment(file, find_during(record, "node.failed", at - 0.01, end));
        write_moment(file, find_during(record, "node.fenced", at - 0.01, end));
        write_moment(file, find_during(record, "target.moved", at - 0.01, end));
        write_stage(file, stall, "connected_ms");
        write_stage(file, stall, "redirected_ms");
        write_stage(file, stall, "logged_in_ms");
        fprintf(file, "<td><b>%.0f</b></td>", (end - at) * 1000);
        write_cell(file, text_of(stall, "why"));
        fputs("</tr>\n", file);
    }
    fputs("</table>\n", file);
}

/* ---- events ---- */

static void write_events(FILE *file, const json_t *record)
{
    char *lines = NULL;
    size_t size = 0, i;
    FILE *memory = open_memstream(&lines, &size);
    json_t *event;

    if (!memory)
        return;
    json_array_foreach (json_object_get(record, "events"), i, event)
        console_print_event(memory, event, true);
    fclose(memory);
    fputs("<h2>Events</h2><pre>", file);
    scenario_write_escaped(file, lines);
    fputs("</pre>\n", file);
    free(lines);
}

static void write_head(FILE *file, const json_t *record)
{
    int passed = json_is_true(json_object_get(record, "passed"));

    fputs("<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>", file);
    scenario_write_escaped(file, text_of(record, "title"));
    fprintf(file, "</title><style>%s</style>\n<h1>", STYLE);
    scenario_write_escaped(file, text_of(record, "title"));
    fprintf(file, " <b class=\"%s\">%s</b></h1>\n<p>", passed ? "passed" : "failed",
            passed ? "passed" : "failed");
    scenario_write_escaped(file, text_of(record, "scenario"));
    fprintf(file, ", seed %lld, begun %s</p>\n",
            (long long)json_integer_value(json_object_get(record, "seed")),
            text_of(record, "begun"));
}

void scenario_write_html(FILE *file, const json_t *record)
{
    write_head(file, record);
    scenario_chart_write(file, record);
    write_expectations(file, record);
    write_stalls(file, record);
    write_events(file, record);
    fputs("</html>\n", file);
}
