#include "target/base/config.h"

#include "target/base/memory.h"
#include "target/base/name_index.h"

#include <ctype.h>
#include <errno.h>
#include <ini.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SEEN_MAX = 128 };

struct reader {
    const struct config_table *table;
    const char *path;
    void *owner;
    FILE *file;
    int line;
    const struct config_section *section;
    void *object;               /* of the current section */
    bool seen[SEEN_MAX];        /* the rows used in the current section */
    struct name_index headings; /* the sections there were */
    char *error;
};

void *config_append(void *array, size_t *count, size_t size)
{
    void **elements = array;

    *elements = memory_resize(*elements, (*count + 1) * size);
    return memset((char *)*elements + (*count)++ * size, 0, size);
}

/* Keeps the first mistake; takes the phrase. */
static void refuse(struct reader *reader, char *phrase)
{
    if (!reader->error)
        reader->error = memory_format("%s:%d: %s", reader->path, reader->line, phrase);
    free(phrase);
}

static const struct config_section *find_section(const struct config_table *table, const char *kind)
{
    for (const struct config_section *section = table->sections; section->kind; section++)
        if (!strcmp(section->kind, kind))
            return section;
    return NULL;
}

static char *begin_named(struct reader *reader, char *kind, const char *name)
{
    reader->section = find_section(reader->table, kind);
    if (!reader->section)
        return memory_format("there is no section [%s]", kind);
    if (reader->section->has_name && !name)
        return memory_format("[%s] needs a name: [%s NAME]", kind, kind);
    if (!reader->section->has_name && name)
        return memory_format("[%s] takes no name", kind);
    memset(reader->seen, 0, sizeof(reader->seen));
    return reader->section->begin(reader->owner, name, reader->line, &reader->object);
}

/* `heading` is what stands between the brackets. */
static char *begin_section(struct reader *reader, char *heading)
{
    char *name = heading + strcspn(heading, " \t");

    if (*name)
        *name++ = '\0';
    name += strspn(name, " \t");
    for (char *end = name + strlen(name); end > name && isspace((unsigned char)end[-1]);)
        *--end = '\0';
    char *whole = memory_format("%s %s", heading, name);
    bool repeated = !name_index_add(&reader->headings, whole, (size_t)reader->line);

    free(whole);
    if (repeated)
        return memory_format("[%s%s%s] is given twice", heading, *name ? " " : "", name);
    return begin_named(reader, heading, *name ? name : NULL);
}

/* inih keeps only 50 bytes of a heading, less than an initiator's name, so it is read here. */
static void look_for_section(struct reader *reader, const char *line)
{
    const char *start = line + strspn(line, " \t");
    const char *end = strchr(start, ']');

    if (*start != '[')
        return;
    if (!end) {
        refuse(reader, memory_copy_text("the section's ']' is missing"));
        return;
    }
    char *heading = memory_format("%.*s", (int)(end - start - 1), start + 1);
    char *wrong = begin_section(reader, heading);

    free(heading);
    if (wrong)
        refuse(reader, wrong);
}

/* fgets for inih: counts lines and refuses the ones it would cut. */
static char *next_line(char *text, int size, void *stream)
{
    struct reader *reader = stream;
    char *line = NULL;
    size_t capacity = 0;
    ssize_t length = reader->error ? -1 : getline(&line, &capacity, reader->file);

    if (length >= 0) {
        reader->line++;
        while (length && (line[length - 1] == '\n' || line[length - 1] == '\r'))
            line[--length] = '\0';
        if (strlen(line) != (size_t)length)
            refuse(reader, memory_copy_text("has a NUL byte"));
        else if (length > CONFIG_LINE_MAX || length + 2 > size)
            refuse(reader, memory_format("the line is longer than %d bytes", CONFIG_LINE_MAX));
        else
            look_for_section(reader, line);
    }
    if (length >= 0 && !reader->error)
        snprintf(text, (size_t)size, "%s\n", line);
    free(line);
    return length < 0 || reader->error ? NULL : text;
}

static const struct config_key *find_key(const struct reader *reader, const char *name)
{
    for (const struct config_key *key = reader->table->keys; key->section; key++)
        if (!strcmp(key->section, reader->section->kind) && !strcmp(key->key, name))
            return key;
    return NULL;
}

static char *take_value(struct reader *reader, const char *name, const char *value)
{
    if (!reader->section)
        return memory_format("%s stands before the first section", name);
    const struct config_key *key = find_key(reader, name);

    if (!key)
        return memory_format("[%s] has no key %s", reader->section->kind, name);
    bool *seen = &reader->seen[key - reader->table->keys];

    if (*seen && !key->repeats)
        return memory_format("%s is given twice", name);
    *seen = true;
    if (!*value)
        return memory_format("%s has no value", name);
    char *wrong = key->parse((char *)reader->object + key->offset, value, key, reader->line);
    char *phrase = wrong ? memory_format("%s = %s: %s", name, value, wrong) : NULL;

    /* A secret is not repeated on a terminal. */
    if (wrong && strstr(name, "chap")) {
        free(phrase);
        phrase = memory_format("%s: %s", name, wrong);
    }
    free(wrong);
    return phrase;
}

static int on_value(void *owner, const char *section, const char *name, const char *value)
{
    (void)section;
    struct reader *reader = owner;
    char *wrong = reader->error ? NULL : take_value(reader, name, value);

    if (wrong)
        refuse(reader, wrong);
    return !reader->error;
}

char *config_read(const char *path, const struct config_table *table, void *owner)
{
    struct reader reader = {.table = table, .path = path, .owner = owner};

    reader.file = fopen(path, "re");
    if (!reader.file)
        return memory_format("%s: cannot be read: %s", path, strerror(errno));
    ini_allow_multiline = false;
    ini_stop_on_first_error = true;
    if (ini_parse_stream(next_line, &reader, on_value, &reader) && !reader.error)
        refuse(&reader, memory_copy_text("is neither a [section], a key = value nor a ; comment"));
    if (ferror(reader.file) && !reader.error)
        reader.error = memory_format("%s: cannot be read: %s", path, strerror(errno));
    fclose(reader.file);
    name_index_free(&reader.headings);
    return reader.error;
}

char *config_parse_number(void *field, const char *value, const struct config_key *key, int line)
{
    (void)line;
    char *end;
    long long number;

    errno = 0;
    number = strtoll(value, &end, 10);
    if (!isdigit((unsigned char)*value) || *end || errno || number < key->least ||
        number > key->most)
        return memory_format("must be a number from %lld to %lld", (long long)key->least,
                             (long long)key->most);
    *(int *)field = (int)number;
    return NULL;
}

char *config_parse_size(void *field, const char *value, const struct config_key *key, int line)
{
    (void)key, (void)line;
    static const char units[] = "kMGT";
    char *end;
    unsigned long long number;

    errno = 0;
    number = strtoull(value, &end, 10);
    const char *unit = *end ? strchr(units, *end) : NULL;
    int shift = unit ? 10 * (int)(unit - units + 1) : 0;

    if (!isdigit((unsigned char)*value) || errno || (*end && (!unit || end[1])) ||
        number > (uint64_t)INT64_MAX >> shift || !number)
        return memory_copy_text("must be a number of bytes, or of k, M, G or T");
    *(uint64_t *)field = (uint64_t)number << shift;
    return NULL;
}

char *config_parse_duration(void *field, const char *value, const struct config_key *key, int line)
{
    (void)line;
    static const struct {
        const char *unit;
        int64_t ms;
    } units[] = {{"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}};
    char *end;
    long long number;
    int64_t ms = -1;

    errno = 0;
    number = strtoll(value, &end, 10);
    for (size_t i = 0; i < sizeof(units) / sizeof(*units); i++)
        if (!strcmp(end, units[i].unit) && !errno && number <= key->most / units[i].ms)
            ms = number * units[i].ms;
    if (!isdigit((unsigned char)*value) || ms < key->least || ms > key->most)
        return memory_format("must be a duration such as 500ms, 5s or 2m, from %lld to %lld ms",
                             (long long)key->least, (long long)key->most);
    *(int *)field = (int)ms;
    return NULL;
}

char *config_parse_flag(void *field, const char *value, const struct config_key *key, int line)
{
    (void)key, (void)line;
    bool is_yes = !strcmp(value, "yes");

    if (!is_yes && strcmp(value, "no"))
        return memory_copy_text("must be yes or no");
    *(bool *)field = is_yes;
    return NULL;
}

char *config_parse_text(void *field, const char *value, const struct config_key *key, int line)
{
    (void)key, (void)line;
    free(*(char **)field);
    *(char **)field = memory_copy_text(value);
    return NULL;
}

char *config_parse_choice(void *field, const char *value, const struct config_key *key, int line)
{
    (void)line;
    char *wrong = memory_copy_text("must be");

    for (int i = 0; key->words[i]; i++) {
        if (!strcmp(key->words[i], value)) {
            *(int *)field = i;
            free(wrong);
            return NULL;
        }
        char *longer = memory_format("%s%s %s", wrong, i ? " or" : "", key->words[i]);

        free(wrong);
        wrong = longer;
    }
    return wrong;
}
