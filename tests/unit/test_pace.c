/* The supervisor rests where events come thick, and only there. */
#include "sim-cluster/pace.h"
#include "tests/unit/unit.h"

enum { TURN_MS = 5 };

/* What it may rest after a second of so many events. */
static double rest_after(struct pace *pace, double *now, unsigned events)
{
    double rest = 0;

    for (unsigned turn = 0; turn < 1000 / TURN_MS; turn++) {
        for (unsigned i = 0; i < events * TURN_MS / 1000; i++)
            pace_note(pace);
        *now += TURN_MS / 1000.0;
        rest = pace_rest(pace, *now);
    }
    return rest;
}

START_TEST(thick_events_are_taken_many_at_once)
{
    struct pace pace = {0};
    double now = 1000;

    ck_assert(rest_after(&pace, &now, 200) == 0);
    ck_assert(rest_after(&pace, &now, 20000) > 0);
    ck_assert(rest_after(&pace, &now, 20000) <= 0.005);
    ck_assert(rest_after(&pace, &now, 200) == 0);
}
END_TEST

START_TEST(after_a_pause_there_is_no_rest)
{
    struct pace pace = {0};
    double now = 1000;

    ck_assert(rest_after(&pace, &now, 20000) > 0);
    for (int i = 0; i < 100; i++)
        pace_note(&pace);
    ck_assert(pace_rest(&pace, now + 10) == 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("pace");
    TCase *test = tcase_create("pace");

    tcase_add_test(test, thick_events_are_taken_many_at_once);
    tcase_add_test(test, after_a_pause_there_is_no_rest);
    suite_add_tcase(suite, test);
    return unit_run(suite);
}
