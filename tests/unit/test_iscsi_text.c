/* Text of login and text PDUs. */
#include "target/iscsi/text.h"
#include "tests/unit/unit.h"

#include <stdio.h>
#include <string.h>

/* Text with its NULs, and what comes out: "key>value;" a pair, "!" for malformed. */
#define TEXT(bytes) bytes, sizeof(bytes) - 1

static const struct {
    const char *text;
    size_t length;
    const char *pairs;
} texts[] = {
    {TEXT(""), ""},
    {TEXT("A=1\0"), "A>1;"},
    {TEXT("A=1\0B=\0C=x=y\0"), "A>1;B>;C>x=y;"},
    {TEXT("A=1\0\0\0B=2\0\0\0\0"), "A>1;B>2;"}, /* stray NULs, also in front */
    {TEXT("\0\0A=1\0"), "A>1;"},
    {TEXT("A=1"), "A>1;"}, /* the last NUL is missing */
    {TEXT("A=1\0B"), "A>1;!"},
    {TEXT("A"), "!"},
    {TEXT("A\0=1\0"), "!"},
    {TEXT("=1\0"), "!"},
    {TEXT("="), "!"},
    {TEXT("\xff\xfe=\x80\0"), "\xff\xfe>\x80;"},
    {TEXT("InitiatorName=iqn.1991-05.com.microsoft:yinshibai\0SessionType=Discovery\0"
          "AuthMethod=None\0"),
     "InitiatorName>iqn.1991-05.com.microsoft:yinshibai;SessionType>Discovery;AuthMethod>None;"},
};

static void collect(struct buffer *text, const char *bytes, size_t length)
{
    ck_assert(text_collect(text, (const uint8_t *)bytes, length));
}

static void read_pairs(struct buffer *text, char *pairs, size_t room)
{
    char *cursor = buffer_content(text), *end = cursor + text->length;
    struct text_pair pair;
    enum text_result result;

    *pairs = '\0';
    while ((result = text_next(&cursor, end, &pair)) == TEXT_PAIR)
        snprintf(pairs + strlen(pairs), room - strlen(pairs), "%s>%s;", pair.key, pair.value);
    if (result == TEXT_MALFORMED)
        snprintf(pairs + strlen(pairs), room - strlen(pairs), "!");
}

START_TEST(text_is_pairs_that_end_with_a_nul)
{
    struct buffer text = {0};
    char pairs[256];

    collect(&text, texts[_i].text, texts[_i].length);
    read_pairs(&text, pairs, sizeof(pairs));
    ck_assert_str_eq(pairs, texts[_i].pairs);
    buffer_free(&text);
}
END_TEST

START_TEST(a_pair_may_be_cut_anywhere_between_two_pdus)
{
    static const char whole[] = "First=value\0Second=\0Third=3";

    for (size_t cut = 0; cut < sizeof(whole); cut++) {
        struct buffer text = {0};
        char pairs[256];

        collect(&text, whole, cut);
        collect(&text, whole + cut, sizeof(whole) - cut);
        read_pairs(&text, pairs, sizeof(pairs));
        ck_assert_str_eq(pairs, "First>value;Second>;Third>3;");
        buffer_free(&text);
    }
}
END_TEST

/* Keys of 1 to 63 bytes, values of up to 8192 (RFC 7143 6.1). */
START_TEST(keys_and_values_have_a_longest)
{
    static const struct {
        size_t key, value;
        enum text_result result;
    } rows[] = {
        {63, 1, TEXT_PAIR},   {64, 1, TEXT_MALFORMED},   {1, 0, TEXT_PAIR},
        {1, 8192, TEXT_PAIR}, {1, 8193, TEXT_MALFORMED}, {63, 8192, TEXT_PAIR},
    };
    size_t length = rows[_i].key + 1 + rows[_i].value + 1;
    char *bytes = malloc(length), *cursor = bytes;
    struct text_pair pair;

    memset(bytes, 'k', length);
    bytes[rows[_i].key] = '=';
    bytes[length - 1] = '\0';
    ck_assert_int_eq(text_next(&cursor, bytes + length, &pair), rows[_i].result);
    if (rows[_i].result == TEXT_PAIR)
        ck_assert_uint_eq(strlen(pair.value), rows[_i].value);
    free(bytes);
}
END_TEST

START_TEST(collected_text_has_a_limit)
{
    struct buffer text = {0};
    static uint8_t bytes[TEXT_TOTAL_MAX];

    ck_assert(text_collect(&text, bytes, TEXT_TOTAL_MAX - 1));
    ck_assert(!text_collect(&text, bytes, 2));
    ck_assert(text_collect(&text, bytes, 1));
    ck_assert(!text_collect(&text, bytes, 1));
    ck_assert(text_collect(&text, bytes, 0));
    ck_assert_uint_eq(text.length, TEXT_TOTAL_MAX);
    buffer_free(&text);
}
END_TEST

START_TEST(pairs_are_written_with_their_nul)
{
    struct buffer text = {0};

    text_add(&text, "AuthMethod", "None");
    text_add(&text, "Empty", "");
    text_add_number(&text, "MaxBurstLength", UINT32_MAX);
    ck_assert_uint_eq(text.length, 16 + 7 + 26);
    ck_assert_mem_eq(buffer_content(&text), "AuthMethod=None\0Empty=\0MaxBurstLength=4294967295",
                     49);
    buffer_free(&text);
}
END_TEST

START_TEST(of_a_list_the_first_known_whole_item_is_taken)
{
    static const char *const known[] = {"None", "CHAP"};

    ck_assert_str_eq(text_list_first("CHAP,None", known, 2), "CHAP");
    ck_assert_str_eq(text_list_first("None,CHAP", known, 2), "None");
    ck_assert_str_eq(text_list_first("SRP,,CHAP", known, 2), "CHAP");
    ck_assert_str_eq(text_list_first("XCHAP,None,CHAP", known, 2), "None");
    ck_assert_ptr_null(text_list_first("CHAPS,XCHAP", known, 2));
    ck_assert_ptr_null(text_list_first("none", known, 2));
    ck_assert_ptr_null(text_list_first("", known, 2));
    ck_assert_ptr_null(text_list_first("None", known + 1, 1));
}
END_TEST

static const struct {
    const char *text;
    uint64_t most;
    bool is_good;
    uint64_t number;
} numbers[] = {
    {"0", 10, true, 0},
    {"10", 10, true, 10},
    {"11", 10, false, 0},
    {"0x0a", 10, true, 10},
    {"0XFF", 255, true, 255},
    {"0x100", 255, false, 0},
    {"007", 10, true, 7},
    {"", 10, false, 0},
    {"0x", 10, false, 0},
    {"-1", 10, false, 0},
    {"+1", 10, false, 0},
    {" 1", 10, false, 0},
    {"1 ", 10, false, 0},
    {"1,2", 10, false, 0},
    {"0b1", 10, false, 0},
    {"1e1", 10, false, 0},
    {"0x-1", 10, false, 0},
    {"18446744073709551615", UINT64_MAX, true, UINT64_MAX},
    {"18446744073709551616", UINT64_MAX, false, 0},
    {"0x10000000000000001", UINT64_MAX, false, 0},
    {"99999999999999999999999999", UINT64_MAX, false, 0},
};

START_TEST(numbers_are_decimal_or_hexadecimal)
{
    uint64_t number = 0;

    ck_assert_int_eq(text_parse_number(numbers[_i].text, numbers[_i].most, &number),
                     numbers[_i].is_good);
    if (numbers[_i].is_good)
        ck_assert_uint_eq(number, numbers[_i].number);
}
END_TEST

static const struct {
    const char *text;
    int length; /* -1: refused */
    const char *bytes;
} binaries[] = {
    {"0x00", 1, "\0"},
    {"0xA5", 1, "\xa5"},
    {"0Xa5b6", 2, "\xa5\xb6"},
    {"0x123", 2, "\x01\x23"}, /* an odd number of digits */
    {"0x", -1, NULL},
    {"0xg0", -1, NULL},
    {"0x0 ", -1, NULL},
    {"a5", -1, NULL},
    {"", -1, NULL},
    {"0", -1, NULL},
    {"1x00", -1, NULL},
    {"0x0102030405060708", 8, "\1\2\3\4\5\6\7\x8"},
    {"0x010203040506070809", -1, NULL}, /* longer than the room */
    {"0x10203040506070809", -1, NULL},
    {"0bAQIDBAUGBwg=", 8, "\1\2\3\4\5\6\7\x8"},
    {"0BAQIDBAUGBwg=", 8, "\1\2\3\4\5\6\7\x8"},
    {"0bAQIDBAUGBwgJ", -1, NULL},
    {"0bAQ==", 1, "\1"},
    {"0bAQI=", 2, "\1\2"},
    {"0bAQID", 3, "\1\2\3"},
    {"0bAQ=", -1, NULL}, /* not a multiple of four */
    {"0bAQ", -1, NULL},
    {"0b", -1, NULL},
    {"0bA*==", -1, NULL},
    {"0c00", -1, NULL},
};

START_TEST(binary_values_are_hexadecimal_or_base64)
{
    uint8_t *bytes = malloc(8);

    ck_assert_int_eq(text_parse_binary(binaries[_i].text, bytes, 8), binaries[_i].length);
    if (binaries[_i].length > 0)
        ck_assert_mem_eq(bytes, binaries[_i].bytes, (size_t)binaries[_i].length);
    free(bytes);
}
END_TEST

/* '=' fills up the last group and stands nowhere else, blanks stand nowhere. */
static const char *const bad_base64[] = {
    "0bA===",     "0b====",  "0bAQ==AQID", "0bA=ID",     "0bAQ=D",
    "0b AQID===", "0bAQI= ", "0bAQ==    ", "0b    AQID", "0bAQID\n\n\n\n",
};

START_TEST(malformed_base64_is_refused)
{
    uint8_t bytes[64];

    ck_assert_int_eq(text_parse_binary(bad_base64[_i], bytes, sizeof(bytes)), -1);
}
END_TEST

START_TEST(the_longest_binary_value_is_handled)
{
    static char text[TEXT_VALUE_MAX + 1];
    static uint8_t bytes[TEXT_VALUE_MAX];

    memset(text, 'A', TEXT_VALUE_MAX);
    memcpy(text, "0b", 2);
    text[TEXT_VALUE_MAX - 2] = '\0';
    ck_assert_int_eq(text_parse_binary(text, bytes, sizeof(bytes)), (TEXT_VALUE_MAX - 4) / 4 * 3);
    ck_assert_int_eq(text_parse_binary(text, bytes, 1024), -1);
}
END_TEST

START_TEST(binary_values_are_written_in_hexadecimal)
{
    char text[2 * 3 + 3];

    text_format_binary(text, (const uint8_t *)"\x00\xa5\xff", 3);
    ck_assert_str_eq(text, "0x00a5ff");
    text_format_binary(text, NULL, 0);
    ck_assert_str_eq(text, "0x");
}
END_TEST

static const struct {
    const char *text;
    bool is_name;
} names[] = {
    {"iqn.2020-01.org.example:host", true},
    {"iqn.2020-01.org.example:HOST_1", true},
    {"iqn.2020-01.org.example:\xc3\xa9\xe2\x82\xac\xf0\x9f\x92\xbe", true},
    {"", false},
    {"iqn.host a", false},
    {"iqn.host,i,0x1", false},
    {"iqn.\x01", false},
    {"iqn.\x7f", false},
    {"iqn.\xff", false},
    {"iqn.\x80", false},
    {"iqn.\xc3", false},             /* cut */
    {"iqn.\xc0\xaf", false},         /* longer than need be */
    {"iqn.\xed\xa0\x80", false},     /* a surrogate */
    {"iqn.\xf4\x90\x80\x80", false}, /* beyond Unicode */
};

START_TEST(names_are_text_without_separators)
{
    ck_assert_int_eq(text_is_name(names[_i].text), names[_i].is_name);
}
END_TEST

START_TEST(names_have_a_longest)
{
    char text[225];

    memset(text, 'n', sizeof(text));
    text[223] = '\0';
    ck_assert(text_is_name(text));
    text[223] = 'n';
    text[224] = '\0';
    ck_assert(!text_is_name(text));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("text");
    TCase *tests = tcase_create("text");

    tcase_add_loop_test(tests, text_is_pairs_that_end_with_a_nul, 0, ROWS(texts));
    tcase_add_test(tests, a_pair_may_be_cut_anywhere_between_two_pdus);
    tcase_add_loop_test(tests, keys_and_values_have_a_longest, 0, 6);
    tcase_add_test(tests, collected_text_has_a_limit);
    tcase_add_test(tests, pairs_are_written_with_their_nul);
    tcase_add_test(tests, of_a_list_the_first_known_whole_item_is_taken);
    tcase_add_loop_test(tests, numbers_are_decimal_or_hexadecimal, 0, ROWS(numbers));
    tcase_add_loop_test(tests, binary_values_are_hexadecimal_or_base64, 0, ROWS(binaries));
    tcase_add_loop_test(tests, malformed_base64_is_refused, 0, ROWS(bad_base64));
    tcase_add_test(tests, the_longest_binary_value_is_handled);
    tcase_add_test(tests, binary_values_are_written_in_hexadecimal);
    tcase_add_loop_test(tests, names_are_text_without_separators, 0, ROWS(names));
    tcase_add_test(tests, names_have_a_longest);
    suite_add_tcase(suite, tests);
    return unit_run(suite);
}
