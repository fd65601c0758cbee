#include "target/base/event_line.h"

#include "target/base/decimal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    ESCAPE_SIZE = 6, /* \u0001 */
    LINE_SIZE = 640, /* of most events */
};

static const uint64_t ones = UINT64_C(0x0101010101010101); /* 1 in each byte */

/* ---- writing ---- */

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

/* Has the high bit of each byte that is `byte`, and perhaps of some above it. */
static uint64_t high_bits_of(uint64_t word, unsigned char byte)
{
    uint64_t rest = word ^ (ones * byte);

    return (rest - ones) & ~rest;
}

/* Whether the next eight bytes are plain; it may miss some that are. */
static bool is_plain_word(const char *text)
{
    uint64_t word, special;

    memcpy(&word, text, sizeof(word));
    special = word | (word + ones) | ((word - ones * ' ') & ~word); /* no ASCII, DEL, a control */
    special |= high_bits_of(word, '"') | high_bits_of(word, '\\');
    return !(special & ones * 0x80);
}

/* How many of the first bytes stand in a JSON text as they are. */
static size_t plain_length(const char *text, size_t length)
{
    size_t plain = 0;

    while (plain + sizeof(uint64_t) <= length && is_plain_word(text + plain))
        plain += sizeof(uint64_t);
    while (plain < length && is_plain((unsigned char)text[plain]))
        plain++;
    return plain;
}

static char *write_bytes(char *to, const char *bytes, size_t length)
{
    memcpy(to, bytes, length);
    return to + length;
}

/* What cannot stand in a JSON text as it is: a character at *text, which moves behind it. */
static char *write_special(char *to, const char **text)
{
    unsigned char byte = (unsigned char)**text;
    size_t length = character_length((const unsigned char *)*text);

    if (byte == '"' || byte == '\\')
        to += snprintf(to, ESCAPE_SIZE + 1, "\\%c", byte);
    else if (byte < ' ' || byte == 0x7f)
        to += snprintf(to, ESCAPE_SIZE + 1, "\\u%04x", byte);
    else
        to = write_bytes(to, length ? *text : "?", length ? length : 1);
    *text += length ? length : 1;
    return to;
}

/* Quoted. Of what is not plain at first, each byte may become an escape. */
void event_line_write_text(struct buffer *buffer, const char *text)
{
    size_t length = strlen(text), plain = plain_length(text, length);
    const char *end = text + length;
    char *begin = buffer_reserve(buffer, plain + ESCAPE_SIZE * (length - plain) + 2), *to = begin;

    *to++ = '"';
    to = write_bytes(to, text, plain);
    text += plain;
    while (text < end) {
        to = write_special(to, &text);
        plain = plain_length(text, (size_t)(end - text));
        to = write_bytes(to, text, plain);
        text += plain;
    }
    *to++ = '"';
    buffer_added(buffer, (size_t)(to - begin));
}

static void append_number(struct buffer *buffer, int64_t number)
{
    uint64_t size = number < 0 ? 0 - (uint64_t)number : (uint64_t)number;
    char *begin = buffer_reserve(buffer, 1 + DECIMAL_DIGITS_MAX), *to = begin;

    if (number < 0)
        *to++ = '-';
    to = decimal_write(to, size);
    buffer_added(buffer, (size_t)(to - begin));
}

static void append_value(struct buffer *buffer, const struct event_field *field)
{
    switch (field->type) {
    case EVENT_TEXT:
        event_line_write_text(buffer, field->text);
        break;
    case EVENT_NUMBER:
        append_number(buffer, field->number);
        break;
    case EVENT_FLAG:
        buffer_append(buffer, field->number ? "true" : "false", field->number ? 4 : 5);
        break;
    default:
        buffer_append(buffer, "null", 4);
    }
}

/* Names of fields are ours, and plain. */
static void append_name(struct buffer *buffer, char separator, const char *name)
{
    size_t length = strlen(name);
    char *to = buffer_reserve(buffer, length + 4);

    *to++ = separator;
    *to++ = '"';
    to = write_bytes(to, name, length);
    *to++ = '"';
    *to = ':';
    buffer_added(buffer, length + 4);
}

void event_line_write(struct buffer *buffer, const struct event_field *fields)
{
    char separator = '{';

    buffer_reserve(buffer, LINE_SIZE);
    for (; fields->type != EVENT_END; fields++) {
        append_name(buffer, separator, fields->name);
        append_value(buffer, fields);
        separator = ',';
    }
    buffer_append(buffer, "}", 1);
}

/* ---- reading ---- */

static void skip_space(char **cursor)
{
    while (**cursor == ' ' || (**cursor >= '\t' && **cursor <= '\r'))
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

/* Moves the rest of a text that has escapes up to where they were. Its end: its last quote, or
 * NULL. */
static char *take_escapes(char *from, char **end)
{
    char *to = from;

    while (*from && *from != '"') {
        if (*from != '\\') {
            *to++ = *from++;
            continue;
        }
        from++;
        if (!take_escape(&from, &to))
            return NULL;
    }
    *end = to;
    return *from ? from : NULL;
}

/* NULL: there is no text. It ends with NUL where its last quote was. */
static char *take_text(char **cursor)
{
    char *text, *end, *quote;

    if (!take_character(cursor, '"'))
        return NULL;
    text = *cursor;
    quote = end = text + strcspn(text, "\"\\");
    if (*quote != '"')
        quote = take_escapes(quote, &end);
    if (!quote)
        return NULL;
    *cursor = quote + 1;
    *end = '\0';
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
    if (**cursor >= 'a')
        return take_word(cursor, field);
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
        if (*fields->name == *name && !strcmp(fields->name, name))
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
