#include "sim-cluster/scenario_chart.h"

#include "sim-cluster/scenario_report.h"
#include "target/base/event.h"

#include <stdlib.h>
#include <string.h>

enum { WIDTH = 1100, LEFT = 150, RIGHT = 1090, LANE = 30, PLOT = 110, TICKS = 10 };

struct chart {
    FILE *file;
    const json_t *record, *events;
    double begun, ended; /* Unix time: the left and the right edge */
    int y;               /* of the next lane */
};

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));

    return text ? text : "";
}

static long long number_of(const json_t *object, const char *key)
{
    return (long long)json_integer_value(json_object_get(object, key));
}

static double time_of(const json_t *object, const char *key)
{
    return event_parse_time(text_of(object, key));
}

static double x_of(const struct chart *chart, double time)
{
    double share = (time - chart->begun) / (chart->ended - chart->begun);

    return LEFT + (share < 0 ? 0 : share > 1 ? 1 : share) * (RIGHT - LEFT);
}

static bool is_event(const json_t *event, const char *kind)
{
    return !strcmp(text_of(event, "event"), kind);
}

/* ---- parts ---- */

static void write_bar(const struct chart *chart, double from, double to, int y, int height,
                      const char *class, const char *tip)
{
    double x = x_of(chart, from), width = x_of(chart, to) - x;

    fprintf(chart->file,
            "<rect class=\"%s\" x=\"%.1f\" y=\"%d\" width=\"%.1f\" height=\"%d\"><title>", class, x,
            y, width < 1.5 ? 1.5 : width, height);
    scenario_write_escaped(chart->file, tip);
    fputs("</title></rect>\n", chart->file);
}

static void write_label(const struct chart *chart, double x, int y, const char *class,
                        const char *label)
{
    fprintf(chart->file, "<text class=\"%s\" x=\"%.1f\" y=\"%d\">", class, x, y);
    scenario_write_escaped(chart->file, label);
    fputs("</text>\n", chart->file);
}

static void write_lane(struct chart *chart, const char *name, int height)
{
    fprintf(chart->file, "<line class=\"lane\" x1=\"0\" x2=\"%d\" y1=\"%d\" y2=\"%d\"/>\n", WIDTH,
            chart->y, chart->y);
    write_label(chart, 4, chart->y + 19, "name", name);
    chart->y += height;
}

/* ---- nodes ---- */

/* From event `index` on until the next one about the same node's state. */
static void write_state(const struct chart *chart, size_t index, int y)
{
    const json_t *event = json_array_get(chart->events, index);
    double end = chart->ended;
    char class[32], tip[64];

    for (size_t i = index + 1; i < json_array_size(chart->events); i++) {
        const json_t *next = json_array_get(chart->events, i);

        if (is_event(next, "node.state") && number_of(next, "node") == number_of(event, "node")) {
            end = time_of(next, "time");
            break;
        }
    }
    if (!strcmp(text_of(event, "state"), "up"))
        return;
    snprintf(class, sizeof(class), "state %.20s", text_of(event, "state"));
    snprintf(tip, sizeof(tip), "node %lld %.20s for %.2f s", number_of(event, "node"),
             text_of(event, "state"), end - time_of(event, "time"));
    write_bar(chart, time_of(event, "time"), end, y, LANE, class, tip);
}

static bool ends_session(const json_t *event, const json_t *opened)
{
    if (number_of(event, "node") != number_of(opened, "node"))
        return false;
    return (is_event(event, "session.closed") &&
            number_of(event, "tsih") == number_of(opened, "tsih")) ||
           (is_event(event, "process.ended") && !strcmp(text_of(event, "name"), "target"));
}

static void write_session(const struct chart *chart, double from, size_t next, const json_t *opened,
                          int y)
{
    double end = chart->ended;
    char tip[300];

    for (size_t i = next; i < json_array_size(chart->events); i++)
        if (ends_session(json_array_get(chart->events, i), opened)) {
            end = time_of(json_array_get(chart->events, i), "time");
            break;
        }
    snprintf(tip, sizeof(tip), "%.120s at %.120s, %.2f s", text_of(opened, "initiator"),
             text_of(opened, "target"), end - from);
    write_bar(chart, from, end, y + 8, LANE - 16, "session", tip);
}

static void write_node(struct chart *chart, const json_t *node)
{
    char name[64];
    int y = chart->y;

    snprintf(name, sizeof(name), "node %lld", number_of(node, "node"));
    write_lane(chart, name, LANE);
    for (size_t i = 0; i < json_array_size(chart->events); i++) {
        const json_t *event = json_array_get(chart->events, i);

        if (number_of(event, "node") != number_of(node, "node"))
            continue;
        if (is_event(event, "node.state"))
            write_state(chart, i, y);
        if (is_event(event, "session.opened") && json_is_string(json_object_get(event, "target")))
            write_session(chart, time_of(event, "time"), i + 1, event, y);
    }
}

static void write_nodes(struct chart *chart)
{
    const json_t *status = json_object_get(json_object_get(chart->record, "places"), "status");
    size_t i;
    json_t *node;

    json_array_foreach (json_object_get(status, "nodes"), i, node)
        write_node(chart, node);
}

/* ---- faults ---- */

static void write_faults(struct chart *chart)
{
    int y = chart->y;
    char tip[200];

    write_lane(chart, "faults", LANE);
    for (size_t i = 0; i < json_array_size(chart->events); i++) {
        const json_t *event = json_array_get(chart->events, i);
        double end = chart->ended;

        if (is_event(event, "fault.hit"))
            write_bar(chart, time_of(event, "time"), time_of(event, "time"), y + 6, LANE - 12,
                      "hit", text_of(event, "kind"));
        if (!is_event(event, "fault.set"))
            continue;
        for (size_t j = i + 1; j < json_array_size(chart->events); j++) {
            const json_t *cleared = json_array_get(chart->events, j);

            if (is_event(cleared, "fault.cleared") &&
                !strcmp(text_of(cleared, "fault"), text_of(event, "fault"))) {
                end = time_of(cleared, "time");
                break;
            }
        }
        snprintf(tip, sizeof(tip), "%.40s: %.140s", text_of(event, "fault"),
                 text_of(event, "rule"));
        write_bar(chart, time_of(event, "time"), end, y + 4, LANE - 8, "fault", tip);
    }
}

static void write_steps(struct chart *chart, int bottom)
{
    size_t i;
    json_t *step;

    json_array_foreach (json_object_get(chart->record, "steps"), i, step) {
        double x = x_of(chart, time_of(step, "at"));

        fprintf(chart->file, "<line class=\"step\" x1=\"%.1f\" x2=\"%.1f\" y1=\"34\" y2=\"%d\"/>\n",
                x, x, bottom);
        write_label(chart, x + 3, 14 + 12 * (int)(i % 2), "label", text_of(step, "did"));
    }
}

/* ---- the load ---- */

static void write_stalls(struct chart *chart)
{
    const json_t *stalls = json_object_get(json_object_get(chart->record, "probe"), "stalls");
    int y = chart->y;
    char tip[200];
    size_t i;
    json_t *stall;

    write_lane(chart, "stalls", LANE);
    json_array_foreach (stalls, i, stall) {
        double at = time_of(stall, "at"), ms = (double)number_of(stall, "ms");

        snprintf(tip, sizeof(tip), "%.0f ms: %.120s", ms, text_of(stall, "why"));
        write_bar(chart, at, at + ms / 1000, y + 4, LANE - 8, "stall", tip);
        if (ms >= 200) {
            snprintf(tip, sizeof(tip), "%.0f ms", ms);
            write_label(chart, x_of(chart, at) + 3, y + 19, "label", tip);
        }
    }
}

static void write_plot(struct chart *chart, const char *key, const char *name, double unit)
{
    const json_t *timeline = json_object_get(json_object_get(chart->record, "probe"), "timeline");
    const json_t *values = json_object_get(timeline, key);
    double begun = time_of(timeline, "begun"), step = (double)number_of(timeline, "step_ms") / 1000;
    double most = 1;
    char label[64];

    for (size_t i = 0; i < json_array_size(values); i++) {
        double value = (double)json_integer_value(json_array_get(values, i));

        most = value > most ? value : most;
    }
    write_lane(chart, name, PLOT);
    snprintf(label, sizeof(label), "top: %.4g", most * unit);
    write_label(chart, 4, chart->y - PLOT + 36, "label", label);
    fprintf(chart->file, "<polyline class=\"%s\" points=\"", key);
    for (size_t i = 0; i < json_array_size(values); i++)
        fprintf(chart->file, "%.1f,%.1f ", x_of(chart, begun + ((double)i + 0.5) * step),
                chart->y - 2 -
                    (double)json_integer_value(json_array_get(values, i)) / most * (PLOT - 8));
    fputs("\"/>\n", chart->file);
}

static void write_axis(struct chart *chart)
{
    double steady = time_of(chart->record, "steady"), zero = steady ? steady : chart->begun;
    char label[32];

    for (int i = 0; i <= TICKS; i++) {
        double at = chart->begun + (chart->ended - chart->begun) * i / TICKS;

        snprintf(label, sizeof(label), "%.1f s", at - zero);
        fprintf(chart->file, "<line class=\"tick\" x1=\"%.1f\" x2=\"%.1f\" y1=\"34\" y2=\"%d\"/>\n",
                x_of(chart, at), x_of(chart, at), chart->y);
        write_label(chart, x_of(chart, at) - 14, chart->y + 14, "label", label);
    }
}

void scenario_chart_write(FILE *file, const json_t *record)
{
    struct chart chart = {.file = file, .record = record, .y = 36};
    bool has_probe = json_is_object(json_object_get(record, "probe"));
    size_t nodes = json_array_size(
        json_object_get(json_object_get(json_object_get(record, "places"), "status"), "nodes"));
    int height = 60 + LANE * (int)(nodes + 1) + (has_probe ? LANE + 2 * PLOT : 0);

    chart.events = json_object_get(record, "events");
    chart.begun = time_of(record, "begun");
    chart.ended = time_of(record, "ended");
    if (chart.ended <= chart.begun)
        chart.ended = chart.begun + 1;
    fprintf(file, "<svg viewBox=\"0 0 %d %d\" xmlns=\"http://www.w3.org/2000/svg\">\n", WIDTH,
            height);
    write_nodes(&chart);
    write_faults(&chart);
    if (has_probe) {
        write_stalls(&chart);
        write_plot(&chart, "operations", "operations per second", 1000.0 / 100);
        write_plot(&chart, "longest_us", "slowest answer, ms", 1e-3);
    }
    write_axis(&chart);
    write_steps(&chart, chart.y);
    fputs("</svg>\n", file);
}
