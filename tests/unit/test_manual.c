/* The manual and the tables agree: every kind of fault with its keys and example, every expectation
 * with its own. */
#include "sim-cluster/scenario_judge.h"
#include "target/base/fault.h"
#include "target/base/memory.h"
#include "tests/unit/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MANUAL_MAX = 256 << 10 };

/* Owned. Tests run from the top of the tree. */
static char *read_manual(const char *path)
{
    FILE *file = fopen(path, "re");
    char *text = memory_new(MANUAL_MAX);

    ck_assert_msg(file != NULL, "%s", path);
    ck_assert_uint_lt(fread(text, 1, MANUAL_MAX, file), MANUAL_MAX - 1);
    fclose(file);
    return text;
}

static void check_has(const char *manual, const char *format, const char *words)
{
    char *wanted = memory_format("%s%s\n", format, words);

    ck_assert_msg(strstr(manual, wanted) != NULL, "the manual lacks: %s", wanted);
    free(wanted);
}

static size_t count(const char *manual, const char *words)
{
    size_t found = 0;

    while ((manual = strstr(manual, words)) && manual++)
        found++;
    return found;
}

START_TEST(every_fault_is_in_the_manual_and_nothing_else)
{
    char *manual = read_manual("sim-cluster/sim-cluster-fault.1");
    size_t kinds = 0;

    for (const struct fault_kind *kind = fault_kinds; kind->name; kind++, kinds++) {
        check_has(manual, ".SS ", kind->name);
        check_has(manual, ".nf\n", kind->example);
        for (int i = 0; i < FAULT_PARAMETERS && kind->parameters[i].name; i++)
            check_has(manual, ".B ", kind->parameters[i].name);
    }
    for (int i = 0; i < FAULT_KEYS; i++)
        check_has(manual, ".B ", fault_keys[i].name);
    ck_assert_uint_eq(count(manual, "\n.SS "), kinds);
    free(manual);
}
END_TEST

START_TEST(every_example_of_the_manual_can_be_parsed)
{
    for (const struct fault_kind *kind = fault_kinds; kind->name; kind++) {
        char *error = NULL;
        struct fault_rule *rule = fault_parse_text(kind->example, &error);

        ck_assert_msg(rule != NULL, "%s: %s", kind->example, error);
        ck_assert_str_eq(rule->kind->name, kind->name);
        fault_free(rule);
    }
}
END_TEST

START_TEST(every_expectation_is_in_the_manual_and_nothing_else)
{
    char *manual = read_manual("sim-cluster/sim-cluster-scenario.1");
    size_t rows = 0;

    for (const struct scenario_expectation *row = scenario_expectations; row->name; row++, rows++) {
        char *heading = memory_format("%s \" = %s\"", row->name, row->value);
        const char *value = row->example + strlen(row->name) + strlen(" = ");

        check_has(manual, ".BI ", heading);
        check_has(manual, ".br\n", row->example);
        ck_assert_ptr_null(row->check(value));
        free(heading);
    }
    ck_assert_uint_eq(count(manual, "\n.BI "), rows);
    free(manual);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("manual");
    TCase *tests = tcase_create("tables");

    tcase_add_test(tests, every_fault_is_in_the_manual_and_nothing_else);
    tcase_add_test(tests, every_example_of_the_manual_can_be_parsed);
    tcase_add_test(tests, every_expectation_is_in_the_manual_and_nothing_else);
    suite_add_tcase(suite, tests);
    return unit_run(suite);
}
