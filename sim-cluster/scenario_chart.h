/* The timeline of a scenario as SVG, with a legend: who was where, what was done and broken, how
 * the load fared. */
#pragma once

#include <jansson.h>
#include <stdio.h>

void scenario_chart_write(FILE *file, const json_t *record);
