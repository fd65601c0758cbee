/* CRC32C: the examples of RFC 7143 appendix B.4, and every length against the polynomial itself. */
#include "target/iscsi/digest.h"
#include "tests/unit/unit.h"

#include <string.h>

enum { LONGEST = 300 };

static uint32_t digest_of(const uint8_t *bytes, size_t length)
{
    return digest_end(digest_add(DIGEST_START, bytes, length));
}

/* Bit by bit, reflected. */
static uint32_t slowly(const uint8_t *bytes, size_t length)
{
    uint32_t value = DIGEST_START;

    for (size_t i = 0; i < length; i++) {
        value ^= bytes[i];
        for (int bit = 0; bit < 8; bit++)
            value = value >> 1 ^ (value & 1 ? 0x82f63b78 : 0);
    }
    return ~value;
}

START_TEST(examples_of_the_standard)
{
    uint8_t bytes[32] = {0};

    ck_assert_uint_eq(digest_of(bytes, sizeof bytes), 0x8a9136aa);
    memset(bytes, 0xff, sizeof bytes);
    ck_assert_uint_eq(digest_of(bytes, sizeof bytes), 0x62a8ab43);
    for (uint8_t i = 0; i < sizeof bytes; i++)
        bytes[i] = i;
    ck_assert_uint_eq(digest_of(bytes, sizeof bytes), 0x46dd794e);
}
END_TEST

START_TEST(all_lengths_at_odd_places)
{
    uint8_t bytes[LONGEST + 1];

    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)(i * 151 + 7);
    for (size_t length = 0; length <= LONGEST; length++)
        ck_assert_uint_eq(digest_of(bytes + 1, length), slowly(bytes + 1, length));
}
END_TEST

START_TEST(in_parts_as_in_one)
{
    uint8_t bytes[LONGEST];
    uint32_t whole;

    memset(bytes, 0x5a, sizeof bytes);
    whole = digest_of(bytes, sizeof bytes);
    for (size_t first = 0; first <= sizeof bytes; first++) {
        uint32_t value = digest_add(DIGEST_START, bytes, first);

        value = digest_add(value, bytes + first, sizeof bytes - first);
        ck_assert_uint_eq(digest_end(value), whole);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("digest");
    TCase *test = tcase_create("digest");

    tcase_add_test(test, examples_of_the_standard);
    tcase_add_test(test, all_lengths_at_odd_places);
    tcase_add_test(test, in_parts_as_in_one);
    suite_add_tcase(suite, test);
    return unit_run(suite);
}
