/* The parts of the timeline, each of which draws its lanes and moves `y` below them. */
#pragma once

#include "sim-cluster/scenario_sessions.h"
#include "sim-cluster/scenario_svg.h"

enum { CHART_WIDTH = 1160, CHART_LEFT = 130, CHART_RIGHT = 1150 };

struct chart {
    FILE *file;                    /* borrowed */
    const json_t *record, *events; /* borrowed */
    struct scenario_sessions sessions;
    double begun, ended, zero; /* Unix time: the edges, and what is called 0 s */
    double y;                  /* of the next lane */
};

double chart_x(const struct chart *chart, double time);
/* The line above a lane, and its name; a second line under the name, NULL: none. */
void chart_begin_lane(struct chart *chart, const char *name, const char *unit, double height);

typedef void chart_part(struct chart *chart);
/* scenario_chart_nodes.c: who served whom; scenario_chart_faults.c: what was broken, and the shade
 * it throws over all lanes; scenario_chart_load.c: how the load fared */
chart_part chart_write_nodes, chart_write_faults, chart_write_shades, chart_write_load;
