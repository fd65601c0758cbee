/* The status as a table that a person understands at a glance. */
#pragma once

#include <jansson.h>
#include <stdio.h>

void tables_print_status(FILE *file, const json_t *status);
