/* The control channel: JSON objects, one a line, over a socket pair. */
#include "target/base/control.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static struct ev_loop *loop;
static struct control *control;
static int peer, message_count;
static json_int_t sum;
static const char *closed;
static bool frees_itself;

static void on_message(void *owner, json_t *message)
{
    (void)owner;
    message_count++;
    sum += json_integer_value(json_object_get(message, "n"));
    if (frees_itself) {
        control_free(control);
        control = NULL;
    }
}

static void on_closed(void *owner, const char *reason)
{
    (void)owner;
    closed = reason;
    control_free(control);
    control = NULL;
}

static void set_up(void)
{
    int ends[2];

    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    loop = ev_loop_new(EVFLAG_AUTO);
    peer = ends[1];
    message_count = 0;
    sum = 0;
    closed = NULL;
    frees_itself = false;
    control = control_new(loop, ends[0], on_message, on_closed, NULL);
}

static void tear_down(void)
{
    control_free(control);
    close(peer);
    ev_loop_destroy(loop);
}

static void say(const char *text)
{
    ck_assert_int_eq(write(peer, text, strlen(text)), (ssize_t)strlen(text));
    ev_run(loop, EVRUN_NOWAIT);
}

START_TEST(a_line_is_a_message_however_it_is_cut)
{
    say("{\"n\":1}\n{\"n\":");
    ck_assert_int_eq(message_count, 1);
    say("20}");
    ck_assert_int_eq(message_count, 1);
    say("\n{\"n\":300}\n");
    ck_assert_int_eq(message_count, 3);
    ck_assert_int_eq(sum, 321);
}
END_TEST

static const char *const nonsense[] = {"hello\n", "[1]\n", "1\n", "{\"a\":}\n", "\n"};

START_TEST(who_talks_nonsense_loses_the_channel)
{
    say(nonsense[_i]);
    ck_assert_int_eq(message_count, 0);
    ck_assert_str_eq(closed, "sent a line that is not a JSON object");
}
END_TEST

START_TEST(the_end_is_told_once)
{
    shutdown(peer, SHUT_WR);
    ev_run(loop, EVRUN_NOWAIT);
    ck_assert_ptr_nonnull(closed);
}
END_TEST

START_TEST(a_message_before_the_end_is_still_delivered)
{
    ck_assert_int_eq(write(peer, "{\"n\":5}\n", 8), 8);
    shutdown(peer, SHUT_WR);
    for (int i = 0; i < 3; i++)
        ev_run(loop, EVRUN_NOWAIT);
    ck_assert_int_eq(sum, 5);
    ck_assert_ptr_nonnull(closed);
}
END_TEST

START_TEST(the_owner_may_free_the_channel_in_a_message)
{
    frees_itself = true;
    say("{\"n\":1}\n{\"n\":2}\n");
    ck_assert_int_eq(message_count, 1);
}
END_TEST

START_TEST(what_is_sent_is_one_object_a_line)
{
    char text[64] = "";

    control_send(control, json_pack("{s:i}", "a", 1));
    control_send(control, json_pack("{s:s}", "b", "x\ny"));
    ck_assert_int_gt(read(peer, text, sizeof(text) - 1), 0);
    ck_assert_str_eq(text, "{\"a\":1}\n{\"b\":\"x\\ny\"}\n");
}
END_TEST

static size_t taken;

static bool take_events(void *owner, const char *line, size_t length)
{
    (void)owner;
    if (line[2] != 'e')
        return false;
    taken += length;
    return true;
}

START_TEST(a_line_may_be_taken_before_it_is_parsed)
{
    taken = 0;
    control_set_on_line(control, take_events);
    say("{\"event\" no JSON}\n{\"n\":1}\n{\"e\"");
    ck_assert_uint_eq(taken, strlen("{\"event\" no JSON}\n"));
    ck_assert_int_eq(sum, 1);
    say("}\n");
    ck_assert_uint_eq(taken, strlen("{\"event\" no JSON}\n{\"e\"}\n"));
}
END_TEST

START_TEST(lines_of_one_turn_leave_together_and_in_order)
{
    char text[64] = "";

    control_append(control, "{\"a\":1}\n", 8);
    control_append(control, "{\"b\":2}\n", 8);
    ck_assert_int_lt(recv(peer, text, sizeof(text) - 1, MSG_DONTWAIT), 0);
    ev_run(loop, EVRUN_NOWAIT);
    ck_assert_int_eq(recv(peer, text, sizeof(text) - 1, MSG_DONTWAIT), 16);
    control_append(control, "{\"c\":3}\n", 8);
    control_send(control, json_pack("{s:i}", "d", 4));
    ck_assert_int_eq(recv(peer, text, sizeof(text) - 1, MSG_DONTWAIT), 16);
    ck_assert_str_eq(text, "{\"c\":3}\n{\"d\":4}\n");
}
END_TEST

START_TEST(a_peer_that_reads_late_gets_everything)
{
    size_t expected = 0, got = 0;
    char *big = malloc(100001), bytes[65536];

    memset(big, 'x', 100000);
    big[100000] = '\0';
    for (int i = 0; i < 50; i++) {
        control_send(control, json_pack("{s:s}", "t", big));
        expected += 100000 + strlen("{\"t\":\"\"}\n");
    }
    while (got < expected) {
        ssize_t length = recv(peer, bytes, sizeof(bytes), MSG_DONTWAIT);

        got += length > 0 ? (size_t)length : 0;
        ev_run(loop, EVRUN_NOWAIT);
    }
    ck_assert_uint_eq(got, expected);
    free(big);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("base_control");
    TCase *tests = tcase_create("base_control");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, a_line_is_a_message_however_it_is_cut);
    tcase_add_loop_test(tests, who_talks_nonsense_loses_the_channel, 0,
                        sizeof(nonsense) / sizeof(*nonsense));
    tcase_add_test(tests, the_end_is_told_once);
    tcase_add_test(tests, a_message_before_the_end_is_still_delivered);
    tcase_add_test(tests, the_owner_may_free_the_channel_in_a_message);
    tcase_add_test(tests, what_is_sent_is_one_object_a_line);
    tcase_add_test(tests, a_line_may_be_taken_before_it_is_parsed);
    tcase_add_test(tests, lines_of_one_turn_leave_together_and_in_order);
    tcase_add_test(tests, a_peer_that_reads_late_gets_everything);
    suite_add_tcase(suite, tests);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
