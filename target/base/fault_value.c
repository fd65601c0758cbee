#include "target/base/fault_value.h"

#include "target/base/address.h"
#include "target/base/memory.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static bool parse_integer(const char *text, const char **end, int64_t *number)
{
    char *stop;

    errno = 0;
    *number = strtoll(text, &stop, 0);
    *end = stop;
    return stop != text && !errno && !isspace((unsigned char)*text);
}

struct unit {
    const char *name;
    double factor;
};

static bool parse_with_unit(const char *text, const char **end, const struct unit *units,
                            int64_t *number)
{
    char *stop;
    double value = strtod(text, &stop);
    size_t length = strcspn(stop, "-");

    *end = stop + length;
    if (stop == text || !(value >= 0))
        return false;
    for (; units->name; units++) {
        if (strlen(units->name) == length && !strncasecmp(units->name, stop, length)) {
            value *= units->factor;
            *number = (int64_t)value;
            return value < 9e18;
        }
    }
    return false;
}

static bool parse_duration(const char *text, const char **end, int64_t *ms)
{
    static const struct unit units[] = {{"ms", 1},    {"s", 1000},   {"m", 60000},
                                        {"h", 3.6e6}, {"d", 8.64e7}, {NULL, 0}};

    return parse_with_unit(text, end, units, ms);
}

static bool parse_size(const char *text, const char **end, int64_t *bytes)
{
    static const struct unit units[] = {{"", 1},        {"k", 1024},          {"M", 1 << 20},
                                        {"G", 1 << 30}, {"T", 1099511627776}, {NULL, 0}};

    return parse_with_unit(text, end, units, bytes);
}

typedef bool parse_number(const char *text, const char **end, int64_t *number);

static bool parse_range(const char *text, const char **end, parse_number *parse, int64_t *first,
                        int64_t *last)
{
    if (!parse(text, end, first))
        return false;
    *last = *first;
    if (**end != '-')
        return true;
    return parse(*end + 1, end, last) && *last >= *first;
}

static bool parse_choice(const char *text, const char *choices, int64_t *number)
{
    size_t length = strlen(text);

    *number = 0;
    for (const char *word = choices; *word; word += word[strcspn(word, " ")] ? 1 : 0) {
        size_t size = strcspn(word, " ");

        if (size == length && !strncasecmp(word, text, length))
            return true;
        word += size;
        ++*number;
    }
    return false;
}

/* A name of the table, or a number. */
static bool parse_name(const char *text, const char **end, const struct fault_name *names,
                       int64_t *number)
{
    *end = "";
    *number = fault_number_of(names, text);
    return *number >= 0 || (parse_integer(text, end, number) && *number >= 0);
}

static bool parse_command(const char *text, const char **end, int64_t *number)
{
    if (!parse_name(text, end, fault_commands, number))
        return false;
    if (fault_number_of(fault_commands, text) < 0 && *number <= 0xff)
        *number |= FAULT_ANY_ACTION << 8;
    return true;
}

static bool parse_chance(const char *text, const char **end, int64_t *number)
{
    char *stop;
    double value = strtod(text, &stop);

    *end = stop;
    *number = (int64_t)lround(value * 1e6);
    return stop != text && value >= 0 && value <= 1;
}

bool fault_parse_value(const struct fault_key *key, const char *text, struct fault_value *value)
{
    const char *end = "";
    bool is_good = false;
    struct subnet subnet;

    switch (key->type) {
    case FAULT_NUMBER:
        is_good = parse_integer(text, &end, &value->number);
        break;
    case FAULT_DURATION:
        is_good = parse_duration(text, &end, &value->number);
        break;
    case FAULT_SIZE:
        is_good = parse_size(text, &end, &value->number);
        break;
    case FAULT_RANGE:
        is_good = parse_range(text, &end, parse_integer, &value->number, &value->last);
        break;
    case FAULT_SIZES:
        is_good = parse_range(text, &end, parse_size, &value->number, &value->last);
        break;
    case FAULT_CHANCE:
        is_good = parse_chance(text, &end, &value->number);
        break;
    case FAULT_CHOICE:
        return parse_choice(text, key->choices, &value->number);
    case FAULT_TEXT:
        return *text != '\0';
    case FAULT_SUBNET:
        return subnet_parse(&subnet, text);
    case FAULT_PDU_NAME:
        return parse_name(text, &end, fault_pdus, &value->number) && !*end && value->number < 64;
    case FAULT_COMMAND_NAME:
        return parse_command(text, &end, &value->number) && !*end && value->number <= 0xffff;
    case FAULT_SENSE:
        is_good = parse_name(text, &end, fault_senses, &value->number);
        break;
    case FAULT_STATUS:
        is_good = parse_name(text, &end, fault_statuses, &value->number);
        break;
    case FAULT_LOGIN_STATUS:
        is_good = parse_name(text, &end, fault_login_statuses, &value->number);
        break;
    }
    return is_good && !*end && value->number >= key->least && value->number <= key->most;
}

static char *join_names(const struct fault_name *names)
{
    char *all = memory_copy_text("");

    for (; names->name; names++) {
        char *longer = memory_format("%s%s%s", all, *all ? ", " : "", names->name);

        free(all);
        all = longer;
    }
    return all;
}

char *fault_describe_value(const struct fault_key *key)
{
    switch (key->type) {
    case FAULT_NUMBER:
        if (key->most == INT64_MAX)
            return memory_format("a number from %lld", (long long)key->least);
        return memory_format("a number from %lld to %lld", (long long)key->least,
                             (long long)key->most);
    case FAULT_DURATION:
        return memory_copy_text("a time such as 500ms, 5s, 2m");
    case FAULT_SIZE:
        return memory_copy_text("a size such as 512, 4k, 1M");
    case FAULT_RANGE:
        return memory_copy_text("a range A-B");
    case FAULT_SIZES:
        return memory_copy_text("a range of sizes such as 4k-64k");
    case FAULT_CHANCE:
        return memory_copy_text("a number from 0 to 1");
    case FAULT_CHOICE:
        return memory_format("one of %s", key->choices);
    case FAULT_SUBNET:
        return memory_copy_text("an address such as 10.0.0.1, or a subnet such as 10.0.0.0/24");
    case FAULT_PDU_NAME:
        return join_names(fault_pdus);
    case FAULT_COMMAND_NAME:
        return memory_copy_text("the name of a command such as READ(10), or its opcode");
    case FAULT_SENSE:
        return join_names(fault_senses);
    case FAULT_STATUS:
        return join_names(fault_statuses);
    case FAULT_LOGIN_STATUS:
        return join_names(fault_login_statuses);
    default:
        return memory_copy_text("a text");
    }
}
