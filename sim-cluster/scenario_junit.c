/* The verdict for a build server: one suite a scenario, one case an expectation. */
#include "sim-cluster/scenario_record.h"
#include "sim-cluster/scenario_report.h"

/* ---- figures ---- */

struct totals {
    size_t tests, failures;
    double seconds;
};

/* The run itself is a case too; each trouble in it is one. */
static struct totals count(const json_t *record)
{
    const json_t *verdicts = json_object_get(record, "expectations");
    size_t troubles = json_array_size(json_object_get(record, "trouble"));
    struct totals totals = {
        .tests = json_array_size(verdicts) + (troubles ? troubles : 1),
        .failures = troubles,
        .seconds = record_time(record, "ended") - record_time(record, "begun"),
    };

    for (size_t i = 0; i < json_array_size(verdicts); i++)
        totals.failures += !json_is_true(json_object_get(json_array_get(verdicts, i), "passed"));
    return totals;
}

static void write_totals(FILE *file, const struct totals *totals)
{
    fprintf(file, " tests=\"%zu\" failures=\"%zu\" errors=\"0\" time=\"%.3f\"", totals->tests,
            totals->failures, totals->seconds);
}

/* ---- elements ---- */

static void write_case(FILE *file, const json_t *record, const char *name, const char *evidence,
                       int passed)
{
    fputs("  <testcase classname=\"", file);
    scenario_write_escaped(file, record_text(record, "title"));
    fputs("\" name=\"", file);
    scenario_write_escaped(file, name);
    fputs("\">\n    ", file);
    fputs(passed ? "<system-out>" : "<failure message=\"", file);
    scenario_write_escaped(file, evidence);
    fputs(passed ? "</system-out>\n  </testcase>\n" : "\"/>\n  </testcase>\n", file);
}

static void write_suite(FILE *file, const json_t *record)
{
    const json_t *trouble = json_object_get(record, "trouble"), *entry;
    struct totals totals = count(record);
    size_t i;

    fputs("<testsuite name=\"", file);
    scenario_write_escaped(file, record_text(record, "scenario"));
    fputs("\"", file);
    write_totals(file, &totals);
    fprintf(file, " timestamp=\"%.19s\">\n", record_text(record, "begun"));
    fprintf(file, "  <properties><property name=\"seed\" value=\"%lld\"/></properties>\n",
            record_number(record, "seed"));
    json_array_foreach (json_object_get(record, "expectations"), i, entry)
        write_case(file, record, record_text(entry, "what"), record_text(entry, "evidence"),
                   json_is_true(json_object_get(entry, "passed")));
    json_array_foreach (trouble, i, entry)
        write_case(file, record, "the run", json_string_value(entry), 0);
    if (!json_array_size(trouble))
        write_case(file, record, "the run", "every step went well, everybody is back", 1);
    fputs("</testsuite>\n", file);
}

static const char HEAD[] = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";

void scenario_write_junit(FILE *file, const json_t *record)
{
    fputs(HEAD, file);
    write_suite(file, record);
}

void scenario_write_junit_of_all(FILE *file, const json_t *records)
{
    struct totals sum = {0};
    const json_t *record;
    size_t i;

    json_array_foreach (records, i, record) {
        struct totals totals = count(record);

        sum.tests += totals.tests;
        sum.failures += totals.failures;
        sum.seconds += totals.seconds;
    }
    fprintf(file, "%s<testsuites name=\"scenarios\"", HEAD);
    write_totals(file, &sum);
    fputs(">\n", file);
    json_array_foreach (records, i, record)
        write_suite(file, record);
    fputs("</testsuites>\n", file);
}
