/* The record of a scenario (scenario_judge.h) as files for machines and for people. */
#pragma once

#include <jansson.h>
#include <stdio.h>

typedef void scenario_writer(FILE *file, const json_t *record);

scenario_writer scenario_write_json, scenario_write_junit, scenario_write_html;

/* With <, >, & and quotes as entities. */
void scenario_write_escaped(FILE *file, const char *text);
