#include "sim-cluster/scenario_chart.h"

#include "sim-cluster/scenario_chart_parts.h"
#include "sim-cluster/scenario_report.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { HEAD = 16, MARK_ROW = 20, MARK_ROWS = 4, MARK_RADIUS = 8, AXIS = 26, TICKS_MOST = 12 };

double chart_x(const struct chart *chart, double time)
{
    double share = (time - chart->begun) / (chart->ended - chart->begun);

    return CHART_LEFT + (share < 0 ? 0 : share > 1 ? 1 : share) * (CHART_RIGHT - CHART_LEFT);
}

void chart_begin_lane(struct chart *chart, const char *name, const char *unit, double height)
{
    svg_line(chart->file, "lane", 0, chart->y, CHART_WIDTH, chart->y);
    svg_text(chart->file, "name", 4, chart->y + (height < 40 ? 17 : 20), name);
    if (unit)
        svg_text(chart->file, "small faint", 4, chart->y + 36, unit);
    chart->y += height;
}

/* ---- steps ---- */

/* The first command of each step, as they began; owned. */
static json_t *steps_of(const json_t *record)
{
    json_t *steps = json_array(), *step;
    size_t i, at;

    json_array_foreach (json_object_get(record, "steps"), i, step) {
        const char *name = record_text(step, "name");
        bool is_known = false;

        for (at = 0; at < json_array_size(steps); at++)
            is_known |= !strcmp(record_text(json_array_get(steps, at), "name"), name);
        for (at = 0; at < json_array_size(steps); at++)
            if (record_time(json_array_get(steps, at), "at") > record_time(step, "at"))
                break;
        if (!is_known)
            json_array_insert(steps, at, step);
    }
    return steps;
}

/* A number at the top and a line down from it; close ones are set one below the other. */
static void write_marks(const struct chart *chart, double bottom)
{
    json_t *steps = steps_of(chart->record), *step;
    double last = 0;
    int row = 0;
    size_t i;

    json_array_foreach (steps, i, step) {
        double x = chart_x(chart, record_time(step, "at")), y;
        char number[24];

        row = i && x - last < 2 * MARK_RADIUS + 2 ? (row + 1) % MARK_ROWS : 0;
        last = x;
        y = HEAD + row * MARK_ROW + MARK_RADIUS;
        snprintf(number, sizeof(number), "%zu", i + 1);
        svg_line(chart->file, "step", x, y, x, bottom);
        fprintf(chart->file, "<circle class=\"step\" cx=\"%.1f\" cy=\"%.1f\" r=\"%d\"/>\n", x, y,
                MARK_RADIUS);
        svg_text(chart->file, "small mark", x, y + 4, number);
    }
    json_decref(steps);
}

static double marks_height(const struct chart *chart)
{
    json_t *steps = steps_of(chart->record), *step;
    double last = 0;
    int row = 0, rows = 1;
    size_t i;

    json_array_foreach (steps, i, step) {
        double x = chart_x(chart, record_time(step, "at"));

        row = i && x - last < 2 * MARK_RADIUS + 2 ? (row + 1) % MARK_ROWS : 0;
        rows = row + 1 > rows ? row + 1 : rows;
        last = x;
    }
    json_decref(steps);
    return rows * MARK_ROW;
}

static void list_commands(FILE *file, const json_t *record, const char *name)
{
    size_t i;
    const json_t *step;
    const char *between = "";

    json_array_foreach (json_object_get(record, "steps"), i, step)
        if (!strcmp(record_text(step, "name"), name)) {
            fprintf(file, "%s<code>", between);
            scenario_write_escaped(file, record_text(step, "did"));
            fputs("</code>", file);
            if (record_number(step, "code"))
                fputs(" <b class=\"no\">failed</b>", file);
            between = ", ";
        }
}

static void write_step_list(FILE *file, const json_t *record)
{
    json_t *steps = steps_of(record), *step;
    size_t i;

    if (json_array_size(steps))
        fputs("<ol class=\"steps\">\n", file);
    json_array_foreach (steps, i, step) {
        fprintf(file, "<li><span>%.2f s</span> ",
                record_time(step, "at") - record_time(record, "steady"));
        scenario_write_escaped(file, record_text(step, "name"));
        fputs(": ", file);
        list_commands(file, record, record_text(step, "name"));
        fputs("</li>\n", file);
    }
    if (json_array_size(steps))
        fputs("</ol>\n", file);
    json_decref(steps);
}

/* ---- time ---- */

static double tick_step(double seconds)
{
    static const double steps[] = {0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800};
    size_t i = 0;

    while (i + 1 < sizeof(steps) / sizeof(*steps) && seconds / steps[i] > TICKS_MOST)
        i++;
    return steps[i];
}

static void write_ticks(const struct chart *chart)
{
    double step = tick_step(chart->ended - chart->begun);
    char label[32];

    for (double at = ceil((chart->begun - chart->zero) / step) * step;
         chart->zero + at <= chart->ended; at += step) {
        double x = chart_x(chart, chart->zero + at);

        snprintf(label, sizeof(label), "%.*f s", step < 1 ? 1 : 0, fabs(at) < 1e-9 ? 0 : at);
        svg_line(chart->file, "tick", x, HEAD, x, chart->y);
        svg_text(chart->file, "small centred", x, chart->y + 15, label);
    }
}

/* Before the steady state and after the steps: nothing that is judged. */
static void write_phase(const struct chart *chart, double from, double to, const char *name)
{
    double x = chart_x(chart, from), width = chart_x(chart, to) - x;

    if (!from || !to || width < 1)
        return;
    svg_rectangle(chart->file, "phase", x, 0, width, chart->y, name);
    if (width > svg_width_of(name) + 6)
        svg_text(chart->file, "small faint centred", x + width / 2, 11, name);
}

/* ---- all ---- */

static void write_background(struct chart *chart)
{
    double over = record_time(chart->record, "over");

    write_phase(chart, chart->begun, chart->zero, "getting steady");
    write_phase(chart, over, chart->ended, "healing");
    chart_write_shades(chart);
    write_ticks(chart);
    write_marks(chart, chart->y);
}

static void write_legend(FILE *file, bool has_probe)
{
    static const struct {
        const char *class, *what;
        bool needs_probe;
    } entries[] = {
        {"session", "session", false},
        {"floating", "floating IP held", false},
        {"down", "node down, off or isolated", false},
        {"frozen", "frozen", false},
        {"draining", "draining", false},
        {"fault", "fault rule, and its shade", false},
        {"hit", "it strikes", false},
        {"stall", "no answer", true},
    };

    fputs("<p class=\"legend\">", file);
    for (size_t i = 0; i < sizeof(entries) / sizeof(*entries); i++)
        if (has_probe || !entries[i].needs_probe)
            fprintf(file, "<span><i class=\"%s\"></i>%s</span> ", entries[i].class,
                    entries[i].what);
    fputs("</p>\n", file);
}

static struct chart begin_chart(const json_t *record)
{
    struct chart chart = {.record = record,
                          .events = json_object_get(record, "events"),
                          .sessions = scenario_sessions_of(record),
                          .begun = record_time(record, "begun"),
                          .ended = record_time(record, "ended"),
                          .zero = record_time(record, "steady")};

    if (chart.ended <= chart.begun)
        chart.ended = chart.begun + 1;
    if (!chart.zero)
        chart.zero = chart.begun;
    chart.y = HEAD + marks_height(&chart);
    return chart;
}

void scenario_chart_write(FILE *file, const json_t *record)
{
    struct chart chart = begin_chart(record);
    char *lanes = NULL;
    size_t size = 0;

    chart.file = open_memstream(&lanes, &size);
    if (!chart.file)
        return;
    chart_write_nodes(&chart);
    chart_write_faults(&chart);
    chart_write_load(&chart);
    fclose(chart.file);
    chart.file = file;
    fprintf(file, "<svg viewBox=\"0 0 %d %.0f\" xmlns=\"http://www.w3.org/2000/svg\">\n",
            CHART_WIDTH, chart.y + AXIS);
    write_background(&chart);
    fputs(lanes, file);
    svg_line(file, "lane", 0, chart.y, CHART_WIDTH, chart.y);
    fputs("</svg>\n", file);
    write_legend(file, json_is_object(json_object_get(record, "probe")));
    write_step_list(file, record);
    scenario_sessions_free(&chart.sessions);
    free(lanes);
}
