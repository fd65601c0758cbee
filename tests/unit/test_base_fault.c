/* Fault rules: what is understood, what is refused and why, when they strike. */
#include "target/base/fault.h"
#include "tests/unit/unit.h"

#include <pthread.h>
#include <string.h>

static struct fault_rule *parse(const char *text)
{
    char *error = NULL;
    struct fault_rule *rule = fault_parse_text(text, &error);

    ck_assert_msg(rule != NULL, "%s: %s", text, error ? error : "?");
    return rule;
}

START_TEST(every_example_of_the_table_is_a_rule_of_its_kind)
{
    for (const struct fault_kind *kind = fault_kinds; kind->name; kind++) {
        struct fault_rule *rule = parse(kind->example), *again;
        json_t *object = fault_encode(rule);
        char *text = fault_format(rule), *error = NULL;

        ck_assert_ptr_eq(rule->kind, kind);
        again = fault_decode(object, &error);
        ck_assert_ptr_nonnull(again);
        ck_assert(fault_is_same(rule, again));
        fault_free(again);
        again = parse(text);
        ck_assert(fault_is_same(rule, again));
        fault_free(again);
        fault_free(rule);
        free(text);
        json_decref(object);
    }
}
END_TEST

static const struct {
    const char *rule, *reason;
} wrong[] = {
    {"pdu.vanish", "there is no fault pdu.vanish"},
    {"", "a rule is KIND"},
    {"pdu.drop pdu=\"NOP-In", "a quote must end"},
    {"pdu.drop count", "must be key=value"},
    {"pdu.drop colour=red", "has no key colour; it has id, node"},
    {"pdu.drop lba=1-2", "can never match"},
    {"pdu.drop pdu=R2T direction=in", "can never match"},
    {"pdu.drop pdu=Carrot", "must be NOP-Out, SCSI Command"},
    {"pdu.drop count=0", "must be a number from 1"},
    {"pdu.drop count=1 count=2", "given twice"},
    {"pdu.drop probability=1.5", "must be a number from 0 to 1"},
    {"pdu.drop for=5", "must be a time such as"},
    {"pdu.drop id=a after=a", "that is the rule itself"},
    {"pdu.drop id=all", "not all"},
    {"pdu.delay", "pdu.delay needs time"},
    {"pdu.throttle rate=-1", "must be a size"},
    {"command.sense sense=bad_mood", "must be recovered, not_ready"},
    {"command.sense sense=0x1000000", "must be"},
    {"command.unit_attention sense=medium_error", "must be"},
    {"disk.read_error lba=9-1", "must be a range"},
    {"disk.stuck_bits offset=1", "needs lba"},
    {"login.wrong_chap side=both", "must be one of initiator target"},
};

START_TEST(what_cannot_be_is_refused_with_the_reason)
{
    char *error = NULL;

    ck_assert_ptr_null(fault_parse_text(wrong[_i].rule, &error));
    ck_assert_msg(strstr(error, wrong[_i].reason) != NULL, "%s: %s", wrong[_i].rule, error);
    free(error);
}
END_TEST

static const struct fault_point here = {
    .where = FAULT_COMMAND,
    .node = 2,
    .session = 7,
    .portal_group = "poc",
    .portal = "127.0.1.1:3260",
    .initiator = "iqn.1991-05.com.microsoft:win2016",
    .volume = "data1",
    .direction = -1,
    .pdu = -1,
    .command = 0x28,
    .lba = 100,
    .blocks = 8,
    .size = 4096,
};

static const struct {
    const char *conditions;
    bool matches;
} conditions[] = {
    {"", true},
    {"node=2", true},
    {"node=1", false},
    {"session=7", true},
    {"portal=127.0.1.1", true},
    {"portal=127.0.1.1:3260", true},
    {"portal=127.0.1.1:32", false},
    {"portal=127.0.1.10", false},
    {"portal_group=poc", true},
    {"portal_group=lab", false},
    {"initiator=*:WIN2016", true},
    {"initiator=*:linux", false},
    {"volume=data2", false},
    {"command=READ(10)", true},
    {"command=read(10)", true},
    {"command=0x28", true},
    {"command=0x2a", false},
    {"command=WRITE_SAME(16)", false},
    {"lba=107-200", true},
    {"lba=108-200", false},
    {"lba=100", true},
    {"lba=0-99", false},
    {"size=4k-4k", true},
    {"size=1M-2M", false},
    {"size=0-4k lba=104 node=2", true},
};

START_TEST(all_conditions_must_hold)
{
    char text[200];
    struct fault_rule *rule;

    snprintf(text, sizeof(text), "command.hang %s", conditions[_i].conditions);
    rule = parse(text);
    ck_assert_msg(fault_matches(rule, &here) == conditions[_i].matches, "%s", text);
    fault_free(rule);
}
END_TEST

static const struct {
    const char *often;
    const char *strikes; /* x: strikes */
} often[] = {
    {"", "xxxxxx"},
    {"count=2", "xx...."},
    {"skip=2", "..xxxx"},
    {"skip=2 count=1", "..x..."},
    {"every=3", "..x..x"},
    {"skip=1 every=2 count=2", "..x.x."},
    {"probability=0", "......"},
    {"probability=1", "xxxxxx"},
    {"for=3s", "xxx..."}, /* one a second */
};

START_TEST(how_often_is_said_by_the_rule)
{
    char text[200], struck[7] = "";
    struct fault_rule *rule;

    snprintf(text, sizeof(text), "command.hang %s", often[_i].often);
    rule = parse(text);
    rule->since = 1000;
    for (int i = 0; i < 6; i++)
        struck[i] = fault_strikes(rule, 1000 + i) ? 'x' : '.';
    ck_assert_str_eq(struck, often[_i].strikes);
    fault_free(rule);
}
END_TEST

START_TEST(the_same_seed_decides_the_same)
{
    struct fault_rule *a = parse("pdu.drop probability=0.5 seed=42"),
                      *b = parse("pdu.drop probability=0.5 seed=42"),
                      *c = parse("pdu.drop probability=0.5 seed=43");
    int differ = 0;

    for (int i = 0; i < 1000; i++) {
        bool strikes = fault_strikes(a, 0);

        ck_assert(strikes == fault_strikes(b, 0));
        differ += strikes != fault_strikes(c, 0);
    }
    ck_assert_int_gt((int)fault_hits(a), 400);
    ck_assert_int_lt((int)fault_hits(a), 600);
    ck_assert_int_gt(differ, 300);
    fault_free(a);
    fault_free(b);
    fault_free(c);
}
END_TEST

START_TEST(delays_are_fixed_even_or_normal)
{
    struct fault_rule *fixed = parse("pdu.delay time=50ms"),
                      *even = parse("pdu.delay time=50ms to=150ms"),
                      *normal = parse("pdu.delay time=1s deviation=100ms");
    double sum = 0;

    for (int i = 0; i < 1000; i++) {
        double delay = fault_delay_ms(even);

        ck_assert(fault_delay_ms(fixed) == 50);
        ck_assert(delay >= 50 && delay <= 150);
        sum += fault_delay_ms(normal);
    }
    ck_assert(sum > 990e3 && sum < 1010e3);
    fault_free(fixed);
    fault_free(even);
    fault_free(normal);
}
END_TEST

START_TEST(a_rule_is_decoded_with_its_time_and_place_on_the_board)
{
    json_t *object =
        json_pack("{s:s, s:s, s:b, s:i, s:i, s:i, s:f}", "kind", "pdu.drop", "id", "x", "enabled",
                  0, "count", 3, "slot", 7, "after_slot", 1024, "since", 5.0);
    char *error = NULL;
    struct fault_rule *rule = fault_decode(object, &error);

    ck_assert_ptr_nonnull(rule);
    ck_assert(!rule->is_enabled && rule->slot == 7 && rule->after_slot == 0 && rule->since == 5);
    fault_free(rule);
    json_decref(object);
}
END_TEST

START_TEST(processes_that_share_a_board_strike_together_as_often_as_one)
{
    struct fault_rule *rules[] = {parse("pdu.drop skip=2 every=3 count=2"),
                                  parse("pdu.drop skip=2 every=3 count=2")};
    struct fault_board board;
    char struck[13] = "";

    ck_assert_int_eq(fault_board_new(&board), 0);
    rules[0]->counts = rules[1]->counts = &board.slots[1];
    for (int i = 0; i < 12; i++)
        struck[i] = fault_strikes(rules[i % 2], 1000 + i) ? 'x' : '.';
    ck_assert_str_eq(struck, "....x..x....");
    ck_assert(fault_is_over(rules[0], 0) && fault_is_over(rules[1], 0));
    ck_assert(fault_last_hit(rules[0]) == 1007);
    fault_board_free(&board);
    fault_free(rules[0]);
    fault_free(rules[1]);
}
END_TEST

struct racer {
    struct fault_rule *rule;
    unsigned struck;
};

static void *race(void *argument)
{
    struct racer *racer = argument;

    for (int i = 0; i < 20000; i++)
        racer->struck += fault_strikes(racer->rule, 1);
    return NULL;
}

START_TEST(those_that_strike_at_the_same_moment_do_not_strike_too_often)
{
    enum { RACERS = 4 };
    struct fault_counts counts = {0};
    struct racer racers[RACERS] = {0};
    pthread_t threads[RACERS];
    unsigned struck = 0;

    for (int i = 0; i < RACERS; i++) {
        racers[i].rule = parse("pdu.drop every=2 count=30000");
        racers[i].rule->counts = &counts;
        ck_assert(!pthread_create(&threads[i], NULL, race, &racers[i]));
    }
    for (int i = 0; i < RACERS; i++) {
        pthread_join(threads[i], NULL);
        struck += racers[i].struck;
        fault_free(racers[i].rule);
    }
    ck_assert_uint_eq(struck, 30000);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("base_fault");
    TCase *tests = tcase_create("base_fault");

    tcase_add_test(tests, every_example_of_the_table_is_a_rule_of_its_kind);
    tcase_add_loop_test(tests, what_cannot_be_is_refused_with_the_reason, 0, ROWS(wrong));
    tcase_add_loop_test(tests, all_conditions_must_hold, 0, ROWS(conditions));
    tcase_add_loop_test(tests, how_often_is_said_by_the_rule, 0, ROWS(often));
    tcase_add_test(tests, the_same_seed_decides_the_same);
    tcase_add_test(tests, delays_are_fixed_even_or_normal);
    tcase_add_test(tests, a_rule_is_decoded_with_its_time_and_place_on_the_board);
    tcase_add_test(tests, processes_that_share_a_board_strike_together_as_often_as_one);
    tcase_add_test(tests, those_that_strike_at_the_same_moment_do_not_strike_too_often);
    suite_add_tcase(suite, tests);
    return unit_run(suite);
}
