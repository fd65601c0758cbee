/* The parts of the report for people (scenario_html.c puts them together). */
#pragma once

#include "sim-cluster/scenario_record.h"

#include <stdio.h>

extern const char scenario_style[];

/* The figures of the run at a glance. */
void scenario_page_write_figures(FILE *file, const json_t *record);
/* Each stall, split into what the time went into. Nothing without one. */
void scenario_page_write_stalls(FILE *file, const json_t *record);
