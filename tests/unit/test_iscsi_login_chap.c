/* CHAP in a login, one way and both ways, and where redirects come in. */
#include "target/iscsi/chap.h"
#include "tests/unit/iscsi_fixture.h"

#define SECRET "secret12chars"
#define TARGET_SECRET "another12secret"

enum { TO_OPERATIONAL = 0x81, STRAIGHT = 0x83, TO_FULL_FEATURE = 0x87, STAY = 0x00 };

static struct fake_host fake;
static struct client client;

/* What the target asked. */
static struct {
    enum chap_algorithm algorithm;
    uint64_t id;
    uint8_t bytes[1024];
    int length;
} asked;

static void set_up(void)
{
    fake_start(&fake);
    fake.grant.account = (struct chap_account){"user", SECRET};
    fake.grant.mutual = (struct chap_account){"array", TARGET_SECRET};
    fake.grant.needs_chap = true;
    client = client_open(&fake);
}

static void tear_down(void)
{
    fake_stop(&fake);
    close(client.fd);
}

static void expect_refusal(const struct reply *reply, enum login_status status)
{
    ck_assert_uint_eq(reply_status(reply), status);
    if (status >= LOGIN_INITIATOR_ERROR)
        ck_assert_uint_eq(reply->length, 0); /* nothing is given away */
    ck_assert(client_is_closed(&client));
    ck_assert_uint_eq(fake.attached, 0);
}

/* The requests up to the challenge. */
static void get_challenged(const char *algorithms)
{
    char text[64];
    uint64_t number;
    struct reply *reply = login(&client, STAY, NAMES "AuthMethod=CHAP,None\0");

    ck_assert_str_eq(reply_value(reply, "AuthMethod"), "CHAP");
    ck_assert_str_eq(reply_value(reply, "TargetPortalGroupTag"), "7");
    reply = login_bytes(&client, STAY, text,
                        (size_t)snprintf(text, sizeof(text), "CHAP_A=%s", algorithms) + 1);
    ck_assert_uint_eq(reply_status(reply), LOGIN_ACCEPTED);
    ck_assert(text_parse_number(reply_value(reply, "CHAP_A"), 255, &number));
    asked.algorithm = (enum chap_algorithm)number;
    ck_assert(text_parse_number(reply_value(reply, "CHAP_I"), 255, &asked.id));
    asked.length =
        text_parse_binary(reply_value(reply, "CHAP_C"), asked.bytes, sizeof(asked.bytes));
    ck_assert_int_ge(asked.length, 16);
}

static void add_response(struct buffer *text, const char *user, const char *secret, bool is_base64)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    uint8_t response[CHAP_DIGEST_MAX + 3] = {0};
    char value[128] = "0b", *at = value + 2;
    size_t size = chap_respond(asked.algorithm, (uint8_t)asked.id, secret, asked.bytes,
                               (size_t)asked.length, response);

    for (size_t i = 0; is_base64 && i < size; i += 3) {
        uint32_t group = get_be24(response + i);

        for (int shift = 18; shift >= 0; shift -= 6)
            *at++ = digits[group >> shift & 63];
        for (size_t rest = i + 3; rest > size; rest--)
            at[-(int)(rest - size)] = '=';
    }
    if (!is_base64)
        text_format_binary(value, response, size);
    text_add(text, "CHAP_N", user);
    text_add(text, "CHAP_R", value);
}

/* Answers the challenge; `mutual`: further pairs as a literal with its NULs. */
static struct reply *answer(uint8_t flags, const char *user, const char *secret,
                            const char *challenge)
{
    struct buffer text = {0};
    struct reply *reply;

    add_response(&text, user, secret, false);
    if (challenge) {
        text_add(&text, "CHAP_I", "9");
        text_add(&text, "CHAP_C", challenge);
    }
    reply = login_bytes(&client, flags, buffer_content(&text), text.length);
    buffer_free(&text);
    return reply;
}

START_TEST(the_right_answer_lets_in)
{
    static const char *const algorithms[] = {"5", "6", "7", "8", "99,7,5"};
    static const enum chap_algorithm chosen[] = {CHAP_MD5, CHAP_SHA1, CHAP_SHA256, CHAP_SHA3_256,
                                                 CHAP_SHA256};
    struct buffer text = {0};
    struct reply *reply;

    get_challenged(algorithms[_i / 2]);
    ck_assert_int_eq(asked.algorithm, chosen[_i / 2]);
    add_response(&text, "user", SECRET, _i % 2);
    reply = login_bytes(&client, TO_OPERATIONAL, buffer_content(&text), text.length);
    buffer_free(&text);
    ck_assert_uint_eq(reply_status(reply), LOGIN_ACCEPTED);
    ck_assert_uint_eq(reply->bhs[1], TO_OPERATIONAL);
    ck_assert_ptr_null(reply_value(reply, "CHAP_R"));
    reply = login(&client, TO_FULL_FEATURE, "");
    ck_assert_uint_eq(reply_status(reply), LOGIN_ACCEPTED);
    ck_assert_uint_eq(fake.attached, 1);
}
END_TEST

START_TEST(a_wrong_answer_does_not_and_is_not_redirected)
{
    fake.routes_after = LOGIN_MOVED_TEMPORARILY;
    get_challenged("5");
    expect_refusal(_i ? answer(TO_OPERATIONAL, "user", "not the secret", NULL)
                      : answer(TO_OPERATIONAL, "loser", SECRET, NULL),
                   LOGIN_NOT_AUTHENTICATED);
    ck_assert_uint_eq(fake.routed_after, 0);
}
END_TEST

/* Answers that are short, long, empty or no value at all. */
START_TEST(a_malformed_answer_does_not)
{
    static const char *const values[] = {
        "",
        "0x",
        "0x00",
        "00112233445566778899aabbccddeeff",
        "0b====",
        "0xzz",
        "0x00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff00",
    };
    struct buffer text = {0};

    get_challenged("5");
    text_add(&text, "CHAP_N", "user");
    text_add(&text, "CHAP_R", values[_i]);
    expect_refusal(login_bytes(&client, TO_OPERATIONAL, buffer_content(&text), text.length),
                   LOGIN_NOT_AUTHENTICATED);
    buffer_free(&text);
}
END_TEST

START_TEST(the_answer_to_another_challenge_does_not)
{
    struct client first = client;

    get_challenged("5");
    client = client_open(&fake);
    client.isid[5] = 1;
    login(&client, STAY, NAMES "AuthMethod=CHAP\0");
    login(&client, STAY, "CHAP_A=5\0");
    expect_refusal(answer(TO_OPERATIONAL, "user", SECRET, NULL), LOGIN_NOT_AUTHENTICATED);
    close(first.fd);
}
END_TEST

/* Ways around the answer. */
START_TEST(nobody_passes_by_the_challenge)
{
    switch (_i) {
    case 0: /* straight into the operational stage */
        expect_refusal(login(&client, TO_FULL_FEATURE, NAMES), LOGIN_NOT_AUTHENTICATED);
        break;
    case 1: /* nothing but None */
        expect_refusal(login(&client, TO_OPERATIONAL, NAMES "AuthMethod=None\0"),
                       LOGIN_NOT_AUTHENTICATED);
        break;
    case 2: /* no method */
        expect_refusal(login(&client, STRAIGHT, NAMES), LOGIN_NOT_AUTHENTICATED);
        break;
    case 3: /* a change of the stage after the method */
        login(&client, STAY, NAMES "AuthMethod=CHAP\0");
        expect_refusal(login(&client, TO_FULL_FEATURE, ""), LOGIN_INVALID_REQUEST);
        break;
    case 4: /* a change of the stage after the challenge */
        get_challenged("5");
        expect_refusal(login(&client, TO_FULL_FEATURE, ""), LOGIN_INVALID_REQUEST);
        break;
    case 5: /* the other method after the challenge */
        get_challenged("5");
        expect_refusal(login(&client, TO_OPERATIONAL, "AuthMethod=None\0"),
                       LOGIN_NOT_AUTHENTICATED);
        break;
    }
}
END_TEST

START_TEST(an_account_that_went_away_meanwhile_lets_nobody_in)
{
    get_challenged("5");
    fake.grant.account = (struct chap_account){NULL, NULL};
    expect_refusal(answer(TO_OPERATIONAL, "user", SECRET, NULL), LOGIN_NOT_AUTHENTICATED);
}
END_TEST

START_TEST(a_redirect_after_authentication_answers_the_right_response)
{
    struct reply *reply;

    fake.routes_after = LOGIN_MOVED_TEMPORARILY;
    get_challenged("7");
    ck_assert_uint_eq(fake.routed_after, 0);
    reply = answer(TO_OPERATIONAL, "user", SECRET, NULL);
    ck_assert_str_eq(reply_value(reply, "TargetAddress"), "127.0.1.2:3261");
    expect_refusal(reply, LOGIN_MOVED_TEMPORARILY);
}
END_TEST

/* The proof must be the response to the initiator's challenge with the target's own secret. */
static void expect_proof(const struct reply *reply)
{
    uint8_t response[CHAP_DIGEST_MAX], expected[CHAP_DIGEST_MAX];
    size_t size = chap_respond(asked.algorithm, 9, TARGET_SECRET,
                               (const uint8_t *)"\1\2\3\4\5\6\7\x8", 8, expected);

    ck_assert_uint_eq(reply_status(reply), LOGIN_ACCEPTED);
    ck_assert_str_eq(reply_value(reply, "CHAP_N"), "array");
    ck_assert_int_eq(text_parse_binary(reply_value(reply, "CHAP_R"), response, sizeof(response)),
                     (int)size);
    ck_assert_mem_eq(response, expected, size);
}

START_TEST(a_target_that_is_asked_proves_itself)
{
    get_challenged("5");
    expect_proof(answer(TO_OPERATIONAL, "user", SECRET, "0x0102030405060708"));
    ck_assert_uint_eq(reply_status(login(&client, TO_FULL_FEATURE, "")), LOGIN_ACCEPTED);
    ck_assert_uint_eq(fake.attached, 1);
}
END_TEST

/* _i: whether the initiator asks for the next stage at once, or stays for one more request. */
START_TEST(the_proof_comes_before_the_redirect)
{
    struct reply *reply;

    fake.routes_after = LOGIN_MOVED_TEMPORARILY;
    get_challenged("5");
    expect_proof(answer(_i ? TO_OPERATIONAL : STAY, "user", SECRET, "0bAQIDBAUGBwg="));
    ck_assert_uint_eq(fake.routed_after, 0);
    reply = login(&client, _i ? TO_FULL_FEATURE : TO_OPERATIONAL, "");
    ck_assert_str_eq(reply_value(reply, "TargetAddress"), "127.0.1.2:3261");
    expect_refusal(reply, LOGIN_MOVED_TEMPORARILY);
}
END_TEST

START_TEST(a_target_without_a_secret_of_its_own_cannot_be_asked)
{
    fake.grant.mutual = (struct chap_account){NULL, NULL};
    get_challenged("5");
    expect_refusal(answer(TO_OPERATIONAL, "user", SECRET, "0x0102030405060708"),
                   LOGIN_NOT_AUTHENTICATED);
}
END_TEST

START_TEST(reflection_is_refused)
{
    char mirror[2 * CHAP_CHALLENGE_SIZE + 3];

    get_challenged("5");
    text_format_binary(mirror, asked.bytes, (size_t)asked.length);
    expect_refusal(answer(TO_OPERATIONAL, "user", SECRET, mirror), LOGIN_NOT_AUTHENTICATED);
}
END_TEST

START_TEST(a_malformed_challenge_is_refused)
{
    static const char *const challenges[] = {"", "0x", "0b", "challenge", "0bAQ="};

    get_challenged("5");
    expect_refusal(answer(TO_OPERATIONAL, "user", SECRET, challenges[_i]), LOGIN_NOT_AUTHENTICATED);
}
END_TEST

/* A challenge of 1024 bytes is the longest (RFC 7143 12.1.3). */
START_TEST(challenges_have_a_longest)
{
    static char challenge[2 + 2 * 1025 + 1];
    size_t length = _i ? 1025 : 1024;

    memset(challenge, 'a', sizeof(challenge));
    memcpy(challenge, "0x", 2);
    challenge[2 + 2 * length] = '\0';
    get_challenged("5");
    ck_assert_uint_eq(reply_status(answer(TO_OPERATIONAL, "user", SECRET, challenge)),
                      _i ? LOGIN_NOT_AUTHENTICATED : LOGIN_ACCEPTED);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("login chap");
    TCase *tests = tcase_create("login chap");

    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_loop_test(tests, the_right_answer_lets_in, 0, 10);
    tcase_add_loop_test(tests, a_wrong_answer_does_not_and_is_not_redirected, 0, 2);
    tcase_add_loop_test(tests, a_malformed_answer_does_not, 0, 7);
    tcase_add_test(tests, the_answer_to_another_challenge_does_not);
    tcase_add_loop_test(tests, nobody_passes_by_the_challenge, 0, 6);
    tcase_add_test(tests, an_account_that_went_away_meanwhile_lets_nobody_in);
    tcase_add_test(tests, a_redirect_after_authentication_answers_the_right_response);
    tcase_add_test(tests, a_target_that_is_asked_proves_itself);
    tcase_add_loop_test(tests, the_proof_comes_before_the_redirect, 0, 2);
    tcase_add_test(tests, a_target_without_a_secret_of_its_own_cannot_be_asked);
    tcase_add_test(tests, reflection_is_refused);
    tcase_add_loop_test(tests, a_malformed_challenge_is_refused, 0, 5);
    tcase_add_loop_test(tests, challenges_have_a_longest, 0, 2);
    suite_add_tcase(suite, tests);
    return unit_run(suite);
}
