/* Events as text: a flat JSON object on a line of its own, written without a tree of it and read
 * back the same way. Lines of events begin with their time, which no other message does. */
#pragma once

#include "target/base/buffer.h"
#include "target/base/event.h"

#define EVENT_LINE_BEGIN "{\"time\":\""
enum { EVENT_FIELDS_MAX = 32 };

/* Appends {"NAME":VALUE,...} of fields that end with EVENT_END, without a newline. Bytes that are
 * no UTF-8 become question marks. */
void event_line_write(struct buffer *buffer, const struct event_field *fields);
/* Appends "TEXT", for one who writes other JSON. */
void event_line_write_text(struct buffer *buffer, const char *text);

/* Takes a line apart, in place: texts point into it. false: it is no flat object of such fields.
 * `fields` end with EVENT_END. */
bool event_line_read(char *line, struct event_field fields[static EVENT_FIELDS_MAX + 1]);

/* NULL, or 0: there is no such field. */
const char *event_line_text(const struct event_field *fields, const char *name);
int64_t event_line_number(const struct event_field *fields, const char *name);
