/* The status as a table that a person understands at a glance. */
#pragma once

#include <jansson.h>
#include <stdio.h>

/* "20G", "1.5M" */
void tables_format_bytes(char text[static 16], long long bytes);

void tables_print_status(FILE *file, const json_t *status);
