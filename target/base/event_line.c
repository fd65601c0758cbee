#include "target/base/event_line.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- writing ---- */

static void append_text(struct buffer *buffer, const char *text)
{
    buffer_append(buffer, text, strlen(text));
}

/* The length of the UTF-8 character at `text`; 0: it is none (RFC 3629). */
static size_t character_length(const unsigned char *text)
{
    static const struct {
        unsigned char least, most, next_least, next_most;
        size_t length;
    } rows[] = {
        {0x01, 0x7f, 0x00, 0xff, 1}, {0xc2, 0xdf, 0x80, 0xbf, 2}, {0xe0, 0xe0, 0xa0, 0xbf, 3},
        {0xe1, 0xec, 0x80, 0xbf, 3}, {0xed, 0xed, 0x80, 0x9f, 3}, {0xee, 0xef, 0x80, 0xbf, 3},
        {0xf0, 0xf0, 0x90, 0xbf, 4}, {0xf1, 0xf3, 0x80, 0xbf, 4}, {0xf4, 0xf4, 0x80, 0x8f, 4},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        if (*text < rows[i].least || *text > rows[i].most)
            continue;
        if (rows[i].length > 1 && (text[1] < rows[i].next_least || text[1] > rows[i].next_most))
            return 0;
        for (size_t j = 2; j < rows[i].length; j++)
            if ((text[j] & 0xc0) != 0x80)
                return 0;
        return rows[i].length;
    }
    return 0;
}

static bool is_plain(unsigned char byte)
{
    return byte >= ' ' && byte < 0x7f && byte != '"' && byte != '\\';
}

/* What cannot stand in a JSON text as it is. Returns what follows. */
static const char *append_special(struct buffer *buffer, const char *text)
{
    unsigned char byte = (unsigned char)*text;
    size_t length = character_length((const unsigned char *)text);
    char escape[8];

    if (byte == '"' || byte == '\\')
        snprintf(escape, sizeof(escape), "\\%c", byte);
    else if (byte < ' ' || byte == 0x7f)
        snprintf(escape, sizeof(escape), "\\u%04x", byte);
    else
        snprintf(escape, sizeof(escape), "%.*s", length ? (int)length : 1, length ? text : "?");
    append_text(buffer, escape);
    return text + (length ? length : 1);
}

void event_line_write_text(struct buffer *buffer, const char *text)
{
    buffer_append(buffer, "\"", 1);
    while (*text) {
        size_t plain = 0;

        while (is_plain((unsigned char)text[plain]))
            plain++;
        buffer_append(buffer, text, plain);
        text += plain;
        if (*text)
            text = append_special(buffer, text);
    }
    buffer_append(buffer, "\"", 1);
}

static void append_value(struct buffer *buffer, const struct event_field *field)
{
    char number[24];

    switch (field->type) {
    case EVENT_TEXT:
        event_line_write_text(buffer, field->text);
        break;
    case EVENT_NUMBER:
        snprintf(number, sizeof(number), "%lld", (long long)field->number);
        append_text(buffer, number);
        break;
    case EVENT_FLAG:
        append_text(buffer, field->number ? "true" : "false");
        break;
    default:
        append_text(buffer, "null");
    }
}

void event_line_write(struct buffer *buffer, const struct event_field *fields)
{
    const char *separator = "{";

    for (; fields->type != EVENT_END; fields++) {
        append_text(buffer, separator);
        event_line_write_text(buffer, fields->name);
        buffer_append(buffer, ":", 1);
        append_value(buffer, fields);
        separator = ",";
    }
    buffer_append(buffer, "}", 1);
}

/* ---- reading ---- */

static void skip_space(char **cursor)
{
    while (isspace((unsigned char)**cursor))
        (*cursor)++;
}

static bool take_character(char **cursor, char character)
{
    skip_space(cursor);
    if (**cursor != character)
        return false;
    (*cursor)++;
    return true;
}

/* The escape at **from, as one byte: what event_line_write makes, and what JSON writers make of
 * quotes and controls. */
static bool take_escape(char **from, char **to)
{
    static const char names[] = "\"\\/bfnrt", values[] = "\"\\/\b\f\n\r\t";
    const char *place = **from ? strchr(names, **from) : NULL;
    unsigned code;

    if (place) {
        *(*to)++ = values[place - names];
        (*from)++;
        return true;
    }
    if (sscanf(*from, "u00%2x", &code) != 1)
        return false;
    *(*to)++ = (char)code;
    *from += 5;
    return true;
}

/* NULL: there is no text. It ends with NUL where its last quote was. */
static char *take_text(char **cursor)
{
    char *from, *to, *text;

    if (!take_character(cursor, '"'))
        return NULL;
    from = to = text = *cursor;
    while (*from && *from != '"') {
        if (*from != '\\') {
            *to++ = *from++;
            continue;
        }
        from++;
        if (!take_escape(&from, &to))
            return NULL;
    }
    if (!*from)
        return NULL;
    *cursor = from + 1;
    *to = '\0';
    return text;
}

static bool take_word(char **cursor, struct event_field *field)
{
    static const struct {
        const char *word;
        enum event_type type;
        int64_t number;
    } words[] = {{"true", EVENT_FLAG, 1}, {"false", EVENT_FLAG, 0}, {"null", EVENT_NULL, 0}};

    for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++) {
        if (strncmp(*cursor, words[i].word, strlen(words[i].word)))
            continue;
        field->type = words[i].type;
        field->number = words[i].number;
        *cursor += strlen(words[i].word);
        return true;
    }
    return false;
}

static bool take_value(char **cursor, struct event_field *field)
{
    char *end;

    skip_space(cursor);
    if (**cursor == '"') {
        field->type = EVENT_TEXT;
        field->text = take_text(cursor);
        return field->text;
    }
    if (take_word(cursor, field))
        return true;
    field->type = EVENT_NUMBER;
    field->number = strtoll(*cursor, &end, 10);
    if (end == *cursor)
        return false;
    *cursor = end;
    return true;
}

bool event_line_read(char *line, struct event_field fields[static EVENT_FIELDS_MAX + 1])
{
    size_t count = 0;
    char separator = '{';

    while (take_character(&line, separator)) {
        struct event_field *field = &fields[count];

        *field = (struct event_field){0};
        if (count++ == EVENT_FIELDS_MAX)
            return false;
        field->name = take_text(&line);
        if (!field->name || !take_character(&line, ':') || !take_value(&line, field))
            return false;
        separator = ',';
    }
    fields[count] = (struct event_field){0};
    return count && take_character(&line, '}');
}

static const struct event_field *find(const struct event_field *fields, const char *name)
{
    for (; fields->type != EVENT_END; fields++)
        if (!strcmp(fields->name, name))
            return fields;
    return NULL;
}

const char *event_line_text(const struct event_field *fields, const char *name)
{
    const struct event_field *field = find(fields, name);

    return field && field->type == EVENT_TEXT ? field->text : NULL;
}

int64_t event_line_number(const struct event_field *fields, const char *name)
{
    const struct event_field *field = find(fields, name);

    return field ? field->number : 0;
}
