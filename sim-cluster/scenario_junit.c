#include "sim-cluster/scenario_report.h"
#include "target/base/event.h"

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));

    return text ? text : "";
}

void scenario_write_escaped(FILE *file, const char *text)
{
    for (; *text; text++)
        switch (*text) {
        case '<':
            fputs("&lt;", file);
            break;
        case '>':
            fputs("&gt;", file);
            break;
        case '&':
            fputs("&amp;", file);
            break;
        case '"':
            fputs("&quot;", file);
            break;
        default:
            if ((unsigned char)*text >= ' ' || *text == '\n' || *text == '\t')
                fputc(*text, file); /* other control characters are not allowed in XML */
        }
}

void scenario_write_json(FILE *file, const json_t *record)
{
    json_dumpf(record, file, JSON_INDENT(1));
    fputc('\n', file);
}

static void write_case(FILE *file, const json_t *record, const char *name, const char *evidence,
                       int passed)
{
    fputs("  <testcase classname=\"", file);
    scenario_write_escaped(file, text_of(record, "title"));
    fputs("\" name=\"", file);
    scenario_write_escaped(file, name);
    fputs("\">\n    ", file);
    fputs(passed ? "<system-out>" : "<failure message=\"", file);
    scenario_write_escaped(file, evidence);
    fputs(passed ? "</system-out>\n  </testcase>\n" : "\"/>\n  </testcase>\n", file);
}

void scenario_write_junit(FILE *file, const json_t *record)
{
    const json_t *verdicts = json_object_get(record, "expectations"), *entry;
    const json_t *trouble = json_object_get(record, "trouble");
    size_t failed = json_array_size(trouble), count = json_array_size(verdicts) + 1;
    double seconds =
        event_parse_time(text_of(record, "ended")) - event_parse_time(text_of(record, "begun"));

    for (size_t i = 0; i < json_array_size(verdicts); i++)
        failed += !json_is_true(json_object_get(json_array_get(verdicts, i), "passed"));
    fputs("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuite name=\"", file);
    scenario_write_escaped(file, text_of(record, "scenario"));
    fprintf(file,
            "\" tests=\"%zu\" failures=\"%zu\" errors=\"0\" time=\"%.3f\" timestamp=\"%.19s\">\n",
            count + (json_array_size(trouble) ? json_array_size(trouble) - 1 : 0), failed, seconds,
            text_of(record, "begun"));
    fprintf(file, "  <properties><property name=\"seed\" value=\"%lld\"/></properties>\n",
            (long long)json_integer_value(json_object_get(record, "seed")));
    for (size_t i = 0; i < json_array_size(verdicts); i++) {
        entry = json_array_get(verdicts, i);
        write_case(file, record, text_of(entry, "what"), text_of(entry, "evidence"),
                   json_is_true(json_object_get(entry, "passed")));
    }
    for (size_t i = 0; i < json_array_size(trouble); i++)
        write_case(file, record, "the run", json_string_value(json_array_get(trouble, i)), 0);
    if (!json_array_size(trouble))
        write_case(file, record, "the run", "every step went well, everybody is back", 1);
    fputs("</testsuite>\n", file);
}
