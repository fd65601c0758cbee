#include "sim-cluster/scenario_chart_parts.h"

#include <math.h>
#include <stdio.h>

enum { LANE = 30, PLOT = 104, PLOT_TOP = 12 };

struct plot {
    const char *key, *name, *unit;
    double scale; /* of a value as recorded: rate in operations a second, or milliseconds */
    bool is_logarithmic;
};

/* ---- stalls ---- */

/* In its bar or behind it, where that leaves the next one free. */
static void write_length(const struct chart *chart, const json_t *stall, const json_t *next)
{
    double at = record_time(stall, "at"), ms = (double)record_number(stall, "ms");
    double left = chart_x(chart, at), right = chart_x(chart, at + ms / 1000);
    double end = next ? chart_x(chart, record_time(next, "at")) : CHART_RIGHT, width;
    char label[RECORD_DURATION_SIZE];

    record_format_duration(label, ms);
    width = svg_width_of(label);
    if (right - left > width + 8)
        svg_text(chart->file, "small on-bar", left + 5, chart->y - 11, label);
    else if (right + width + 6 < end)
        svg_text(chart->file, "small haloed", right + 4, chart->y - 11, label);
}

static void write_stalls(struct chart *chart)
{
    const json_t *stalls = json_object_get(json_object_get(chart->record, "probe"), "stalls");
    double y = chart->y;
    size_t i;
    const json_t *stall;

    chart_begin_lane(chart, "stalls", NULL, LANE);
    json_array_foreach (stalls, i, stall) {
        double ms = (double)record_number(stall, "ms"), at = record_time(stall, "at");
        double left = chart_x(chart, at), right = chart_x(chart, at + ms / 1000);
        char tip[200];

        snprintf(tip, sizeof(tip), "%.0f ms: %.120s", ms, record_text(stall, "why"));
        svg_rectangle(chart->file, "stall", left, y + 6, right - left, LANE - 12, tip);
        write_length(chart, stall, json_array_get(stalls, i + 1));
    }
}

/* ---- rate and latency ---- */

/* Few digits, also of its half, and not below the value. */
static double round_up(double value)
{
    double power = pow(10, floor(log10(value)));
    double digit = value / power;

    return (digit <= 1.2 ? 1.2 : digit <= 2 ? 2 : digit <= 4 ? 4 : digit <= 6 ? 6 : 10) * power;
}

static double most_of(const json_t *values, double scale)
{
    double most = 0;

    for (size_t i = 0; i < json_array_size(values); i++) {
        double value = (double)json_integer_value(json_array_get(values, i)) * scale;

        most = value > most ? value : most;
    }
    return most;
}

/* Of the height, from 0 to 1; a logarithmic plot begins at 0.1. */
static double share_of(const struct plot *plot, double value, double top)
{
    if (!plot->is_logarithmic)
        return value / top;
    return value <= 0.1 ? 0 : log10(value / 0.1) / log10(top / 0.1);
}

static void write_grid(struct chart *chart, const struct plot *plot, double bottom, double top)
{
    double step = plot->is_logarithmic ? 10 : top / 2;
    char label[32];

    for (double value = plot->is_logarithmic ? 0.1 : 0; value <= top * 1.001;
         value = plot->is_logarithmic ? value * step : value + step) {
        double y = bottom - share_of(plot, value, top) * (PLOT - PLOT_TOP);

        svg_line(chart->file, "grid", CHART_LEFT, y, CHART_RIGHT, y);
        snprintf(label, sizeof(label), "%.4g%s", value >= 1000 ? value / 1000 : value,
                 value >= 1000 ? "k" : "");
        svg_text(chart->file, "small to-left", CHART_LEFT - 5, y + 4, label);
    }
}

static void write_area(struct chart *chart, const struct plot *plot, const json_t *timeline,
                       double bottom, double top)
{
    const json_t *values = json_object_get(timeline, plot->key);
    double begun = record_time(timeline, "begun");
    double step = (double)record_number(timeline, "step_ms") / 1000;

    fprintf(chart->file, "<path class=\"%s\" d=\"M%.1f %.1f", plot->key, chart_x(chart, begun),
            bottom);
    for (size_t i = 0; i < json_array_size(values); i++) {
        double value = (double)json_integer_value(json_array_get(values, i)) * plot->scale;
        double y = bottom - share_of(plot, value, top) * (PLOT - PLOT_TOP);

        fprintf(chart->file, "L%.1f %.1fL%.1f %.1f", chart_x(chart, begun + (double)i * step), y,
                chart_x(chart, begun + (double)(i + 1) * step), y);
    }
    fprintf(chart->file, "L%.1f %.1fZ\"/>\n",
            chart_x(chart, begun + (double)json_array_size(values) * step), bottom);
}

static void write_plot(struct chart *chart, const struct plot *plot)
{
    const json_t *timeline = json_object_get(json_object_get(chart->record, "probe"), "timeline");
    double most = most_of(json_object_get(timeline, plot->key), plot->scale), top, bottom;

    most = most < 1 ? 1 : most;
    top = plot->is_logarithmic ? pow(10, ceil(log10(most))) : round_up(most);
    chart_begin_lane(chart, plot->name, plot->unit, PLOT + 6);
    bottom = chart->y - 6;
    write_grid(chart, plot, bottom, top);
    write_area(chart, plot, timeline, bottom, top);
}

void chart_write_load(struct chart *chart)
{
    const json_t *probe = json_object_get(chart->record, "probe");
    double step_ms = (double)record_number(json_object_get(probe, "timeline"), "step_ms");
    const struct plot rate = {"operations", "I/O rate", "operations/s",
                              step_ms > 0 ? 1000 / step_ms : 1, false};
    const struct plot latency = {"longest_us", "latency", "ms, slowest", 1e-3, true};

    if (!json_is_object(probe))
        return;
    write_stalls(chart);
    write_plot(chart, &rate);
    write_plot(chart, &latency);
}
