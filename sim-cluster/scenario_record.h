/* Fields of the record of a scenario (scenario_judge.h), and of the events in it. Pure. */
#pragma once

#include <jansson.h>
#include <stdbool.h>

/* Borrowed; empty when it is not there, or no text. */
const char *record_text(const json_t *object, const char *key);
/* 0 when it is not there. */
long long record_number(const json_t *object, const char *key);
/* Unix time; 0 when it is not there. */
double record_time(const json_t *object, const char *key);

/* "340 ms", "300.1 s" */
#define RECORD_DURATION_SIZE 32
void record_format_duration(char text[static RECORD_DURATION_SIZE], double ms);

bool record_is_event(const json_t *event, const char *kind);
