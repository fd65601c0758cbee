/* Who talks to whom in a frame, and frames that are too short to say. */
#include "sim-cluster/wire_frame.h"

#include <check.h>
#include <string.h>

static const uint8_t arp[42] = {
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2,  0,  0, 0, 0, 1, 0x08, 0x06, /* Ethernet */
    0,    1,    8,    0,    6,    4,    0,  1,  2, 0, 0, 0, 0,    1,    10, 77, 1, 50, /* sender */
    0,    0,    0,    0,    0,    0,    10, 77, 1, 1,                                  /* target */
};

static const uint8_t ipv4[34] = {
    2,    0, 0, 0,  0, 2, 2, 0, 0,  0, 0, 1, 0x08, 0x00,                      /* Ethernet */
    0x45, 0, 0, 20, 0, 0, 0, 0, 64, 6, 0, 0, 10,   77,   1, 50, 10, 77, 1, 1, /* header */
};

static const uint8_t ipv6[54] = {
    2,    0, 0, 0,    0, 2, 2, 0,  0, 0, 0, 1, 0x86, 0xdd, /* Ethernet */
    0x60, 0, 0, 0,    0, 0, 6, 64,                         /* header */
    0xfd, 0, 0, 0x77, 0, 0, 0, 0,  0, 0, 0, 0, 0,    0,    0, 0x50,
    0xfd, 0, 0, 0x77, 0, 0, 0, 0,  0, 0, 0, 0, 0,    0,    0, 0x01,
};

static const struct {
    const uint8_t *frame;
    size_t length;
    const char *from, *to;
} frames[] = {
    {arp, sizeof(arp), "10.77.1.50", "10.77.1.1"},
    {ipv4, sizeof(ipv4), "10.77.1.50", "10.77.1.1"},
    {ipv6, sizeof(ipv6), "fd00:77::50", "fd00:77::1"},
};

START_TEST(a_frame_says_who_talks_to_whom)
{
    struct address from, to;
    char text[ADDRESS_TEXT_SIZE];

    ck_assert(wire_frame_decode(frames[_i].frame, frames[_i].length, &from, &to));
    ck_assert_str_eq(address_format_host(&from, text), frames[_i].from);
    ck_assert_str_eq(address_format_host(&to, text), frames[_i].to);
}
END_TEST

START_TEST(a_frame_that_is_too_short_says_nothing)
{
    struct address from, to;

    for (size_t length = 0; length < frames[_i].length; length++)
        ck_assert(!wire_frame_decode(frames[_i].frame, length, &from, &to));
}
END_TEST

START_TEST(other_protocols_have_no_addresses)
{
    uint8_t frame[sizeof(ipv4)];
    struct address from, to;

    memcpy(frame, ipv4, sizeof(frame));
    frame[12] = 0x88;
    ck_assert(!wire_frame_decode(frame, sizeof(frame), &from, &to));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("wire_frame");
    TCase *tcase = tcase_create("wire_frame");
    SRunner *runner;
    int failed, count = sizeof(frames) / sizeof(*frames);

    tcase_add_loop_test(tcase, a_frame_says_who_talks_to_whom, 0, count);
    tcase_add_loop_test(tcase, a_frame_that_is_too_short_says_nothing, 0, count);
    tcase_add_test(tcase, other_protocols_have_no_addresses);
    suite_add_tcase(suite, tcase);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed > 0;
}
