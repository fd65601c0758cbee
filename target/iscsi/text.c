#include "target/iscsi/text.h"

#include "target/base/decimal.h"

#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

enum text_result text_next(char **cursor, char *end, struct text_pair *pair)
{
    char *start = *cursor, *equals;
    size_t length;

    while (start < end && !*start)
        start++;
    *cursor = start;
    if (start == end)
        return TEXT_END;
    length = strnlen(start, (size_t)(end - start));
    equals = memchr(start, '=', length);
    if (!equals || equals == start || equals - start > TEXT_KEY_MAX ||
        start + length - equals - 1 > TEXT_VALUE_MAX)
        return TEXT_MALFORMED;
    *equals = '\0';
    start[length] = '\0';
    *pair = (struct text_pair){start, equals + 1};
    *cursor = start + length + (start + length < end);
    return TEXT_PAIR;
}

bool text_collect(struct buffer *text, const uint8_t *bytes, size_t length)
{
    if (text->length + length > TEXT_TOTAL_MAX)
        return false;
    buffer_append(text, bytes, length);
    *buffer_reserve(text, 1) = '\0';
    return true;
}

void text_add(struct buffer *text, const char *key, const char *value)
{
    size_t key_length = strlen(key), value_length = strlen(value);
    char *pair = buffer_reserve(text, key_length + value_length + 2);

    memcpy(pair, key, key_length);
    pair[key_length] = '=';
    memcpy(pair + key_length + 1, value, value_length + 1);
    buffer_added(text, key_length + value_length + 2);
}

void text_add_number(struct buffer *text, const char *key, uint32_t value)
{
    char digits[DECIMAL_DIGITS_MAX + 1];

    *decimal_write(digits, value) = '\0';
    text_add(text, key, digits);
}

static const char *find_known(const char *item, size_t length, const char *const known[],
                              size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strlen(known[i]) == length && !memcmp(item, known[i], length))
            return known[i];
    return NULL;
}

const char *text_list_first(const char *list, const char *const known[], size_t count)
{
    for (;;) {
        size_t length = strcspn(list, ",");
        const char *found = find_known(list, length, known, count);

        if (found || !list[length])
            return found;
        list += length + 1;
    }
}

static int nibble(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool text_parse_number(const char *text, uint64_t most, uint64_t *number)
{
    bool is_hex = text[0] == '0' && (text[1] == 'x' || text[1] == 'X');
    const char *digits = is_hex ? text + 2 : text;
    uint64_t base = is_hex ? 16 : 10;

    *number = 0;
    for (const char *digit = digits; *digit; digit++) {
        int value = nibble(*digit);

        if (value < 0 || (uint64_t)value >= base || (uint64_t)value > most ||
            *number > (most - (uint64_t)value) / base)
            return false;
        *number = *number * base + (uint64_t)value;
    }
    return *digits;
}

static int parse_hex(const char *digits, uint8_t *bytes, size_t room)
{
    size_t length = strlen(digits), odd = length & 1;

    if (!length || (length + odd) / 2 > room)
        return -1;
    memset(bytes, 0, (length + odd) / 2);
    for (size_t i = 0; i < length; i++) {
        int value = nibble(digits[i]);

        if (value < 0)
            return -1;
        bytes[(i + odd) / 2] |= (uint8_t)((i + odd) & 1 ? value : value << 4);
    }
    return (int)((length + odd) / 2);
}

static int parse_base64(const char *digits, uint8_t *bytes, size_t room)
{
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    size_t length = strlen(digits);
    uint8_t block[TEXT_VALUE_MAX];
    int decoded, padding = 0;

    if (!length || length % 4 || length / 4 * 3 > sizeof(block))
        return -1;
    while (padding < 2 && digits[length - 1 - (size_t)padding] == '=')
        padding++;
    /* OpenSSL would skip blanks, and take '=' anywhere. */
    if (strspn(digits, alphabet) != length - (size_t)padding)
        return -1;
    decoded = EVP_DecodeBlock(block, (const unsigned char *)digits, (int)length);
    if (decoded < 0 || (size_t)(decoded - padding) > room)
        return -1;
    memcpy(bytes, block, (size_t)(decoded - padding));
    return decoded - padding;
}

int text_parse_binary(const char *text, uint8_t *bytes, size_t room)
{
    if (text[0] != '0')
        return -1;
    switch (text[1] | 0x20) {
    case 'x':
        return parse_hex(text + 2, bytes, room);
    case 'b':
        return parse_base64(text + 2, bytes, room);
    default:
        return -1;
    }
}

void text_format_binary(char *text, const uint8_t *bytes, size_t length)
{
    static const char digits[] = "0123456789abcdef";

    *text++ = '0';
    *text++ = 'x';
    for (size_t i = 0; i < length; i++) {
        *text++ = digits[bytes[i] >> 4];
        *text++ = digits[bytes[i] & 15];
    }
    *text = '\0';
}

/* The character at *text, which moves behind it; 0: none of UTF-8 (RFC 3629 3). */
static uint32_t next_character(const unsigned char **text)
{
    static const uint32_t least[] = {0x01, 0x80, 0x800, 0x10000};
    unsigned lead = *(*text)++, more = lead < 0xc0 ? 0 : lead < 0xe0 ? 1 : lead < 0xf0 ? 2 : 3;
    uint32_t character = more ? lead & (0x3fu >> more) : lead;

    if ((lead >= 0x80 && lead < 0xc0) || lead >= 0xf8)
        return 0;
    for (unsigned i = 0; i < more; i++) {
        if ((**text & 0xc0) != 0x80)
            return 0;
        character = character << 6 | (*(*text)++ & 0x3f);
    }
    if (character < least[more] || character > 0x10ffff || (character >> 11) == 0x1b)
        return 0;
    return character;
}

bool text_is_name(const char *text)
{
    enum { NAME_MAX_LENGTH = 223 };
    const unsigned char *rest = (const unsigned char *)text;
    size_t length = strlen(text);

    if (length == 0 || length > NAME_MAX_LENGTH)
        return false;
    while (*rest) {
        uint32_t character = *rest < 0x80 ? *rest++ : next_character(&rest);

        if (character <= ' ' || character == ',' || character == 0x7f)
            return false;
    }
    return true;
}
