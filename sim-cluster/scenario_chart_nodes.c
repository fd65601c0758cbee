#include "sim-cluster/scenario_chart_parts.h"

#include <stdio.h>
#include <string.h>

enum { LANE = 52, BAR = 15, BAR_TOP = 6, BARS = 2, STRIP = 4, STRIPS_TOP = 41, STRIPS = 2 };

/* What is known of a node's lane while it is drawn. */
struct lane {
    struct chart *chart;
    const json_t *node; /* of the status */
    double y;
};

static bool is_here(const struct lane *lane, const json_t *object)
{
    return record_number(object, "node") == record_number(lane->node, "node");
}

/* ---- its state ---- */

static void write_state(const struct lane *lane, const char *state, double from, double to)
{
    const struct chart *chart = lane->chart;
    double x = chart_x(chart, from), width = chart_x(chart, to) - x;
    char class[48], tip[96];

    if (!strcmp(state, "up"))
        return;
    snprintf(class, sizeof(class), "state %.20s", state);
    snprintf(tip, sizeof(tip), "node %lld %.20s for %.2f s", record_number(lane->node, "node"),
             state, to - from);
    svg_rectangle(chart->file, class, x, lane->y + 1, width, LANE - 2, tip);
    if (width > svg_width_of(state) + 8)
        svg_text(chart->file, "small", x + 5, lane->y + 33, state);
}

static void write_states(const struct lane *lane)
{
    const struct chart *chart = lane->chart;
    const char *state = record_text(lane->node, "state");
    double since = chart->begun;
    size_t i;
    const json_t *event;

    json_array_foreach (chart->events, i, event) {
        if (!record_is_event(event, "node.state") || !is_here(lane, event) ||
            record_time(event, "time") < chart->zero)
            continue;
        write_state(lane, state, since, record_time(event, "time"));
        state = record_text(event, "state");
        since = record_time(event, "time");
    }
    write_state(lane, state, since, chart->ended);
}

/* ---- floating IPs ---- */

static void write_held(const struct lane *lane, const json_t *floating, int number)
{
    const struct chart *chart = lane->chart;
    const char *address = record_text(floating, "address");
    double since = is_here(lane, floating) ? chart->begun : 0, top = lane->y + STRIPS_TOP;
    size_t i;
    const json_t *event;
    char tip[96];

    snprintf(tip, sizeof(tip), "floating IP %.60s", address);
    top += number % STRIPS * (STRIP + 1);
    json_array_foreach (chart->events, i, event) {
        double at = record_time(event, "time");
        bool is_up = record_is_event(event, "floating_ip.up");

        if (at < chart->zero || strcmp(record_text(event, "address"), address) ||
            (!is_up && !record_is_event(event, "floating_ip.down")))
            continue;
        if (since && (is_up != is_here(lane, event))) {
            svg_rectangle(chart->file, "floating", chart_x(chart, since), top,
                          chart_x(chart, at) - chart_x(chart, since), STRIP, tip);
            since = 0;
        }
        if (is_up && is_here(lane, event))
            since = since ? since : at;
    }
    if (since)
        svg_rectangle(chart->file, "floating", chart_x(chart, since), top,
                      chart_x(chart, chart->ended) - chart_x(chart, since), STRIP, tip);
}

static void write_floating(const struct lane *lane)
{
    const json_t *status =
        json_object_get(json_object_get(lane->chart->record, "places"), "status");
    size_t i, j;
    const json_t *group, *floating;
    int number = 0;

    json_array_foreach (json_object_get(status, "portal_groups"), i, group)
        json_array_foreach (json_object_get(group, "floating_ips"), j, floating)
            write_held(lane, floating, number++);
}

/* ---- sessions ---- */

/* "probe" of "iqn.2012-11.com.example:probe" */
static const char *short_name(const char *name)
{
    const char *colon = strrchr(name, ':');

    return colon && colon[1] ? colon + 1 : name;
}

/* How many sessions of this node that began before it are still there when it begins. */
static int row_of(const struct lane *lane, size_t index)
{
    const struct scenario_session *sessions = lane->chart->sessions.sessions;
    int row = 0;

    for (size_t i = 0; i < index; i++)
        row += is_here(lane, sessions[i].identity) &&
               (!sessions[i].ended || sessions[i].ended > sessions[index].begun);
    return row % BARS;
}

static void write_session(const struct lane *lane, size_t index)
{
    const struct chart *chart = lane->chart;
    const struct scenario_session *session = &chart->sessions.sessions[index];
    double ended = session->ended ? session->ended : chart->ended;
    double x = chart_x(chart, session->begun), width = chart_x(chart, ended) - x;
    double y = lane->y + BAR_TOP + row_of(lane, index) * (BAR + 2);
    const char *initiator = record_text(session->identity, "initiator");
    const char *target = record_text(session->identity, "target");
    char tip[400], label[96];

    snprintf(tip, sizeof(tip), "%.150s at %.150s, %.2f s", initiator, target,
             ended - session->begun);
    snprintf(label, sizeof(label), "%.40s at %.40s", short_name(initiator), short_name(target));
    svg_rectangle(chart->file, "session", x, y, width, BAR, tip);
    if (width > svg_width_of(label) + 10)
        svg_text(chart->file, "small on-bar", x + 6, y + 11.5, label);
}

/* ---- all ---- */

static void write_node(struct chart *chart, const json_t *node)
{
    struct lane lane = {.chart = chart, .node = node, .y = chart->y};
    char name[32];

    snprintf(name, sizeof(name), "node %lld", record_number(node, "node"));
    chart_begin_lane(chart, name, NULL, LANE);
    write_states(&lane);
    write_floating(&lane);
    for (size_t i = 0; i < chart->sessions.count; i++)
        if (is_here(&lane, chart->sessions.sessions[i].identity))
            write_session(&lane, i);
}

void chart_write_nodes(struct chart *chart)
{
    const json_t *status = json_object_get(json_object_get(chart->record, "places"), "status");
    size_t i;
    const json_t *node;

    json_array_foreach (json_object_get(status, "nodes"), i, node)
        write_node(chart, node);
}
