/* The record of a scenario (scenario_judge.h) as files for machines and for people. */
#pragma once

#include <jansson.h>
#include <stdio.h>

typedef void scenario_writer(FILE *file, const json_t *record);

scenario_writer scenario_write_json, scenario_write_junit, scenario_write_html;
/* Takes an array of records. */
scenario_writer scenario_write_junit_of_all;

/* NULL, or an owned sentence. */
char *scenario_write_file(const char *path, const json_t *record, scenario_writer *write);

/* With <, >, & and quotes as entities. */
void scenario_write_escaped(FILE *file, const char *text);
