/* The status as a table that a person understands at a glance. */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

/* "20G", "1.5M" */
void tables_format_bytes(char text[static 16], long long bytes);

/* The next row, borrowed until the next call; NULL: there is none, though there should be. */
typedef char *tables_next(void *owner);
/* `status` is the head and the rows follow, as status.h has them. false: some did not come. */
bool tables_print_status(FILE *file, const json_t *status, tables_next *next, void *owner);
