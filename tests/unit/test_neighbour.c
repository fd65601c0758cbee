/* Frames about who has an address, against bytes written out by hand. */
#include "sim-cluster/neighbour.h"

#include <check.h>
#include <string.h>

static const uint8_t mac[] = {0x02, 0x11, 0x22, 0x33, 0x00, 0x01};

static struct address parse(const char *text)
{
    struct address address;

    ck_assert(address_parse(&address, text, 0));
    return address;
}

static const uint8_t announcement[] = {
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02, 0x11, 0x22, 0x33, 0x00, 0x01, 0x08, 0x06, /* */
    0x00, 0x01, 0x08, 0x00, 6,    4,    0x00, 0x01,            /* request */
    0x02, 0x11, 0x22, 0x33, 0x00, 0x01, 10,   77,   1,    100, /* sender */
    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 10,   77,   1,    100, /* target */
};

START_TEST(gratuitous_arp_asks_everybody_for_its_own_address)
{
    struct address address = parse("10.77.1.100");
    uint8_t frame[NEIGHBOUR_FRAME_MAX];

    ck_assert_uint_eq(neighbour_encode_announcement(frame, mac, &address, false),
                      sizeof(announcement));
    ck_assert_mem_eq(frame, announcement, sizeof(announcement));
}
END_TEST

START_TEST(or_answers_everybody_unasked)
{
    struct address address = parse("10.77.1.100");
    uint8_t frame[NEIGHBOUR_FRAME_MAX], reply[sizeof(announcement)];

    memcpy(reply, announcement, sizeof(reply));
    reply[21] = 2;
    memset(reply + 32, 0xff, 6);
    ck_assert_uint_eq(neighbour_encode_announcement(frame, mac, &address, true), sizeof(reply));
    ck_assert_mem_eq(frame, reply, sizeof(reply));
}
END_TEST

/* RFC 4861 4.4: to all nodes, override, with the target's link-layer address. */
static const uint8_t advertisement[] = {
    0x33, 0x33, 0x00, 0x00, 0x00, 0x01, 0x02, 0x11, 0x22, 0x33, 0x00, 0x01, 0x86, 0xdd,       /* */
    0x60, 0x00, 0x00, 0x00, 0x00, 32,   58,   255,                                            /* */
    0xfd, 0,    0,    1,    0,    0,    0,    0,    0,    0,    0,    0,    0,    0,    1, 0, /* */
    0xff, 2,    0,    0,    0,    0,    0,    0,    0,    0,    0,    0,    0,    0,    0, 1, /* */
    136,  0,    0x36, 0x57, 0x20, 0x00, 0x00, 0x00,                                           /* */
    0xfd, 0,    0,    1,    0,    0,    0,    0,    0,    0,    0,    0,    0,    0,    1, 0, /* */
    2,    1,    0x02, 0x11, 0x22, 0x33, 0x00, 0x01,                                           /* */
};

START_TEST(ipv6_is_advertised_with_override)
{
    struct address address = parse("fd00:1::100");
    uint8_t frame[NEIGHBOUR_FRAME_MAX];

    ck_assert_uint_eq(neighbour_encode_announcement(frame, mac, &address, false),
                      sizeof(advertisement));
    ck_assert_mem_eq(frame, advertisement, sizeof(advertisement));
}
END_TEST

START_TEST(whoever_says_that_it_has_an_address_is_understood)
{
    struct address address, ipv4 = parse("10.77.1.100"), ipv6 = parse("fd00:1::100");
    uint8_t from[NEIGHBOUR_MAC_SIZE];

    ck_assert(neighbour_decode(announcement, sizeof(announcement), &address, from));
    ck_assert(address_is_same_host(&address, &ipv4));
    ck_assert_mem_eq(from, mac, sizeof(mac));
    ck_assert(neighbour_decode(advertisement, sizeof(advertisement), &address, from));
    ck_assert(address_is_same_host(&address, &ipv6));
    ck_assert_mem_eq(from, mac, sizeof(mac));
}
END_TEST

START_TEST(a_question_claims_nothing)
{
    const char *texts[] = {"10.77.1.100", "fd00:1::100"};
    struct address address = parse(texts[_i]);
    uint8_t frame[NEIGHBOUR_FRAME_MAX], from[NEIGHBOUR_MAC_SIZE];
    size_t length = neighbour_encode_question(frame, mac, &address);

    ck_assert(!neighbour_decode(frame, length, &address, from));
}
END_TEST

START_TEST(a_frame_cut_short_says_nothing)
{
    struct address address;
    uint8_t from[NEIGHBOUR_MAC_SIZE];

    for (size_t length = 0; length < sizeof(announcement); length++)
        ck_assert(!neighbour_decode(announcement, length, &address, from));
    for (size_t length = 0; length < sizeof(advertisement) - 8; length++)
        ck_assert(!neighbour_decode(advertisement, length, &address, from));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("neighbour");
    TCase *tcase = tcase_create("neighbour");
    SRunner *runner;
    int failed;

    tcase_add_test(tcase, gratuitous_arp_asks_everybody_for_its_own_address);
    tcase_add_test(tcase, or_answers_everybody_unasked);
    tcase_add_test(tcase, ipv6_is_advertised_with_override);
    tcase_add_test(tcase, whoever_says_that_it_has_an_address_is_understood);
    tcase_add_loop_test(tcase, a_question_claims_nothing, 0, 2);
    tcase_add_test(tcase, a_frame_cut_short_says_nothing);
    suite_add_tcase(suite, tcase);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed > 0;
}
