/* Text of login and text PDUs: "key=value" pairs, each ended by a NUL (RFC 7143 6.1). */
#pragma once

#include "target/base/buffer.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

enum { TEXT_KEY_MAX = 63, TEXT_VALUE_MAX = 8192, TEXT_TOTAL_MAX = 32 << 10 };

struct text_pair {
    const char *key, *value; /* borrowed from the text, NUL-terminated */
};

enum text_result { TEXT_PAIR, TEXT_END, TEXT_MALFORMED };

/* The next pair of the text between *cursor and `end`; moves *cursor. The text is changed: '='
 * becomes NUL. The last pair may lack its NUL only if one more byte lies at `end` for it, as a
 * buffer by text_collect has. */
enum text_result text_next(char **cursor, char *end, struct text_pair *pair);

/* The key of a row: .key = TEXT_KEY("SessionType"). */
struct text_key {
    const char *name;
    size_t length;
};
#define TEXT_KEY(name)                                                                             \
    {                                                                                              \
        name, sizeof(name) - 1                                                                     \
    }

static inline bool text_is_key(const struct text_key *key, const char *name, size_t length)
{
    return key->length == length && !memcmp(key->name, name, length);
}

/* Appends the data of one PDU. false: more than TEXT_TOTAL_MAX. Keeps a NUL behind the content. */
bool text_collect(struct buffer *text, const uint8_t *bytes, size_t length);

void text_add(struct buffer *text, const char *key, const char *value);
void text_add_number(struct buffer *text, const char *key, uint32_t value);

/* The first value of the comma-separated list that is among the `count` known ones, as it stands
 * there. NULL: none. */
const char *text_list_first(const char *list, const char *const known[], size_t count);

/* Decimal or 0x hexadecimal, RFC 7143 6.1. false: not a number, or over `most`. */
bool text_parse_number(const char *text, uint64_t most, uint64_t *number);

/* Hexadecimal (0x) or base64 (0b) binary value, at most `room` bytes. -1: malformed or too long. */
int text_parse_binary(const char *text, uint8_t *bytes, size_t room);
/* "0x..." of `length` bytes; the text has room for 2 * length + 3. */
void text_format_binary(char *text, const uint8_t *bytes, size_t length);

/* Whether it can be an iSCSI name (RFC 7143 4.2.7): UTF-8 without control characters, spaces and
 * commas, 1 to 223 bytes. What else the name may not be, some initiators do not know. */
bool text_is_name(const char *text);
