/* Events as lines for people. */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

/* One readable line; colour when `file` is a terminal. Without `is_verbose` nothing is printed of
 * the kinds that only matter to who looks for trouble. */
void console_print_event(FILE *file, const json_t *event, bool is_verbose);

/* What has happened, without time and colour; owned. */
char *console_sentence(const json_t *event);
/* "plain", "good", "bad" or "notable" */
const char *console_tone(const json_t *event);
/* Does it only matter to who looks for trouble? */
bool console_is_detail(const json_t *event);
