/* CHAP: responses against values computed elsewhere, the choice of an algorithm, what is refused.
 */
#include "target/iscsi/chap.h"
#include "tests/unit/unit.h"

#include <string.h>

/* Responses to the challenge 00 01 .. 1f with identifier 0x5a and the secret below. */
#define SECRET "secret12chars"

static const struct {
    enum chap_algorithm algorithm;
    const char *response;
    size_t size;
} answers[] = {
    {CHAP_MD5, "\x91\xa2\xee\x76\xcb\xbe\x35\xaf\xed\x7f\xc2\x35\x31\x45\x8b\x32", 16},
    {CHAP_SHA1, "\x2d\x9c\x09\x59\x26\xb0\xf3\x56\x38\x26\x2b\x54\x91\xce\xa1\x86\x3e\x98\x8b\x14",
     20},
    {CHAP_SHA256,
     "\x41\xde\x2a\xd3\xfb\x86\x0b\x00\xfe\x2e\xee\x07\xbd\x6d\x5b\xa9"
     "\xe2\x91\x44\xc8\x2e\xf9\x74\x15\x07\xe9\x08\xf9\x45\xf1\x9b\xe4",
     32},
    {CHAP_SHA3_256,
     "\xdb\x23\x53\x6e\x7a\xa8\xf7\x24\x7d\x26\x46\x92\x44\x14\x52\x18"
     "\xd4\x3d\x6a\x39\x05\x6e\x7d\xfc\x9b\x8a\xb7\xff\xaa\x8a\x65\xf8",
     32},
};

static const struct chap_account account = {"user", SECRET};

static struct chap_challenge challenge;

static void set_up(void)
{
    challenge.id = 0x5a;
    for (uint8_t i = 0; i < CHAP_CHALLENGE_SIZE; i++)
        challenge.bytes[i] = i;
}

START_TEST(responses_are_the_known_ones)
{
    uint8_t response[CHAP_DIGEST_MAX];

    ck_assert_uint_eq(chap_respond(answers[_i].algorithm, challenge.id, SECRET, challenge.bytes,
                                   CHAP_CHALLENGE_SIZE, response),
                      answers[_i].size);
    ck_assert_mem_eq(response, answers[_i].response, answers[_i].size);
}
END_TEST

static bool is_right(int i, const char *user, const uint8_t *response, size_t length)
{
    return chap_is_right(answers[i].algorithm, &challenge, &account, user, response, length);
}

START_TEST(only_the_whole_right_response_of_the_user_is_taken)
{
    uint8_t response[CHAP_DIGEST_MAX + 1] = {0};
    size_t size = answers[_i].size;

    memcpy(response, answers[_i].response, size);
    ck_assert(is_right(_i, "user", response, size));
    ck_assert(!is_right(_i, "User", response, size));
    ck_assert(!is_right(_i, "", response, size));
    ck_assert(!is_right(_i, "user1", response, size));
    ck_assert(!is_right(_i, "user", response, size - 1));
    ck_assert(!is_right(_i, "user", response, 1));
    ck_assert(!is_right(_i, "user", response, 0));
    for (size_t i = 0; i < size; i++) {
        response[i] ^= 1;
        ck_assert(!is_right(_i, "user", response, size));
        response[i] ^= 1;
    }
    challenge.id++;
    ck_assert(!is_right(_i, "user", response, size));
    challenge.id--;
    challenge.bytes[31] ^= 1;
    ck_assert(!is_right(_i, "user", response, size));
}
END_TEST

START_TEST(no_algorithm_gives_no_response)
{
    uint8_t response[CHAP_DIGEST_MAX] = {0};

    ck_assert_uint_eq(chap_respond(CHAP_NONE, 1, SECRET, challenge.bytes, 32, response), 0);
    ck_assert(!chap_is_right(CHAP_NONE, &challenge, &account, "user", response, 0));
}
END_TEST

static const struct {
    const char *list;
    enum chap_algorithm chosen;
} lists[] = {
    {"5", CHAP_MD5},
    {"7,5", CHAP_SHA256},
    {"5,7", CHAP_MD5},
    {"8,7,6,5", CHAP_SHA3_256},
    {"6", CHAP_SHA1},
    {"99,4,6,5", CHAP_SHA1},
    {"99", CHAP_NONE},
    {"0", CHAP_NONE},
    {"", CHAP_NONE},
    {",", CHAP_NONE},
    {"5x", CHAP_NONE},
    {"5x,7", CHAP_SHA256},
    {"MD5,5", CHAP_MD5},
    {"4294967301", CHAP_NONE}, /* 2^32 + 5 */
    {"18446744073709551621", CHAP_NONE},
};

START_TEST(the_initiators_order_chooses)
{
    ck_assert_int_eq(chap_choose(lists[_i].list), lists[_i].chosen);
}
END_TEST

START_TEST(challenges_never_repeat)
{
    struct chap_challenge first, second;

    ck_assert(chap_make_challenge(&first));
    ck_assert(chap_make_challenge(&second));
    ck_assert_mem_ne(first.bytes, second.bytes, CHAP_CHALLENGE_SIZE);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("chap");
    TCase *tests = tcase_create("chap");

    tcase_add_checked_fixture(tests, set_up, NULL);
    tcase_add_loop_test(tests, responses_are_the_known_ones, 0, ROWS(answers));
    tcase_add_loop_test(tests, only_the_whole_right_response_of_the_user_is_taken, 0,
                        ROWS(answers));
    tcase_add_test(tests, no_algorithm_gives_no_response);
    tcase_add_loop_test(tests, the_initiators_order_chooses, 0, ROWS(lists));
    tcase_add_test(tests, challenges_never_repeat);
    suite_add_tcase(suite, tests);
    return unit_run(suite);
}
