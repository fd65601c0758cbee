#include "sim-cluster/scenario_chart_parts.h"

#include <stdio.h>
#include <string.h>

enum { LANE = 26, BAR_TOP = 5, BAR = 16, LANES_MAX = 12 };

/* The event that ends the rule which event `index` has set; NULL: none did. */
static const json_t *find_end(const struct chart *chart, size_t index)
{
    const char *id = record_text(json_array_get(chart->events, index), "fault");

    for (size_t i = index + 1; i < json_array_size(chart->events); i++) {
        const json_t *event = json_array_get(chart->events, i);

        if (record_is_event(event, "fault.cleared") && !strcmp(record_text(event, "fault"), id))
            return event;
    }
    return NULL;
}

static double end_of(const struct chart *chart, size_t index)
{
    const json_t *end = find_end(chart, index);

    return end ? record_time(end, "time") : chart->ended;
}

static void write_hits(const struct chart *chart, const char *id, double from, double to, double y)
{
    size_t i;
    const json_t *event;

    json_array_foreach (chart->events, i, event) {
        double at = record_time(event, "time"), x = chart_x(chart, at);

        if (record_is_event(event, "fault.hit") && !strcmp(record_text(event, "fault"), id) &&
            at >= from && at <= to)
            svg_line(chart->file, "hit", x, y + BAR_TOP, x, y + BAR_TOP + BAR);
    }
}

/* The rule is written behind its bar, before it, or on it: where there is room. */
static void write_fault(struct chart *chart, size_t index)
{
    const json_t *event = json_array_get(chart->events, index);
    const char *id = record_text(event, "fault"), *rule = record_text(event, "rule");
    double from = record_time(event, "time"), to = end_of(chart, index), y = chart->y;
    double left = chart_x(chart, from), right = chart_x(chart, to);
    long long hits = record_number(find_end(chart, index), "hits");
    char label[200], name[24];
    bool fits_behind;

    snprintf(name, sizeof(name), "%.20s", id);
    snprintf(label, sizeof(label), "%.120s, %lld hit%s, %.2f s", rule, hits, hits == 1 ? "" : "s",
             to - from);
    chart_begin_lane(chart, name, NULL, LANE);
    svg_rectangle(chart->file, "fault", left, y + BAR_TOP, right - left, BAR, label);
    write_hits(chart, id, from, to, y);
    fits_behind = right + 8 + svg_width_of(label) <= CHART_RIGHT;
    if (fits_behind)
        svg_text(chart->file, "small haloed", right + 6, y + 17, label);
    else if (left - 6 - svg_width_of(label) > CHART_LEFT)
        svg_text(chart->file, "small haloed to-left", left - 6, y + 17, label);
    else
        svg_text(chart->file, right - left > svg_width_of(label) ? "small" : "small haloed",
                 left + 6, y + 17, label);
}

void chart_write_faults(struct chart *chart)
{
    int lanes = 0;
    char more[64];

    for (size_t i = 0; i < json_array_size(chart->events); i++) {
        if (!record_is_event(json_array_get(chart->events, i), "fault.set"))
            continue;
        if (lanes++ < LANES_MAX)
            write_fault(chart, i);
    }
    if (lanes <= LANES_MAX)
        return;
    snprintf(more, sizeof(more), "and %d more, in the list of events", lanes - LANES_MAX);
    svg_text(chart->file, "small", CHART_LEFT + 6, chart->y + 17, more);
    chart_begin_lane(chart, "", NULL, LANE);
}

/* From the top to `y`. */
void chart_write_shades(struct chart *chart)
{
    for (size_t i = 0; i < json_array_size(chart->events); i++) {
        const json_t *event = json_array_get(chart->events, i);
        double left = chart_x(chart, record_time(event, "time"));

        if (record_is_event(event, "fault.set"))
            svg_rectangle(chart->file, "shade", left, 0, chart_x(chart, end_of(chart, i)) - left,
                          chart->y, NULL);
    }
}
