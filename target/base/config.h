/* INI files read by tables: one row a key, one row a kind of section. inih cuts the lines; what is
 * accepted, where it goes and what is wrong with it is decided by the rows. The first mistake ends
 * the reading with a sentence that begins with "file:line: ". */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CONFIG_LINE_MAX 198 /* bytes, without the line end */

struct config_key;

/* Stores `value` at `field` (the section's object + the row's offset). NULL, or an owned phrase:
 * what is wrong. A key that repeats is called once a line. */
typedef char *config_parse(void *field, const char *value, const struct config_key *key, int line);

struct config_key {
    const char *section, *key;
    config_parse *parse;
    size_t offset;
    int64_t least, most;      /* of numbers */
    const char *const *words; /* of choices; ends with NULL */
    bool repeats;
};

/* Begins a section: gives in *object what the offsets of its keys start from. `name` is what stands
 * behind the kind ("data1" of "[volume data1]"), or NULL. NULL, or an owned phrase. */
typedef char *config_begin(void *owner, const char *name, int line, void **object);

struct config_section {
    const char *kind;
    bool has_name;
    config_begin *begin;
};

struct config_table {
    const struct config_section *sections; /* ends with a kind of NULL */
    const struct config_key *keys;         /* ends with a section of NULL */
};

/* NULL, or an owned sentence. Sections may come in any order; one given twice is refused. */
char *config_read(const char *path, const struct config_table *table, void *owner);

/* Parsers for rows. The field is an int, a uint64_t (binary units k M G T), an int of milliseconds
 * (500ms, 5s, 2m, 1h), a bool, an owned text, or an int that indexes `words`. */
config_parse config_parse_number, config_parse_size, config_parse_duration, config_parse_flag,
    config_parse_text, config_parse_choice;

/* For things that repeat: room for one more element, zeroed, in the array at *array. */
void *config_append(void *array, size_t *count, size_t size);
