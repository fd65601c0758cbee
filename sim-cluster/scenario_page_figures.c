#include "sim-cluster/scenario_page.h"
#include "sim-cluster/scenario_report.h"
#include "sim-cluster/scenario_words.h"
#include "target/base/memory.h"

#include <stdlib.h>
#include <string.h>

/* "1,234,567"; owned. */
static char *grouped(long long number)
{
    char *digits = memory_format("%lld", number), *text = memory_copy_text("");
    size_t length = strlen(digits);

    for (size_t i = 0; i < length; i++) {
        char *longer =
            memory_format("%s%s%c", text, i && (length - i) % 3 == 0 ? "," : "", digits[i]);

        free(text);
        text = longer;
    }
    free(digits);
    return text;
}

/* Takes both texts. */
static void write_figure(FILE *file, char *value, char *what, bool is_wrong)
{
    fprintf(file, "<div%s><b>", is_wrong ? " class=\"wrong\"" : "");
    scenario_write_escaped(file, value);
    fputs("</b><span>", file);
    scenario_write_escaped(file, what);
    fputs("</span></div>\n", file);
    free(value);
    free(what);
}

static void write_expected(FILE *file, const json_t *record)
{
    const json_t *verdicts = json_object_get(record, "expectations");
    size_t troubles = json_array_size(json_object_get(record, "trouble")), held = 0;

    for (size_t i = 0; i < json_array_size(verdicts); i++)
        held += json_is_true(json_object_get(json_array_get(verdicts, i), "passed"));
    write_figure(file, memory_format("%zu of %zu", held, json_array_size(verdicts)),
                 troubles
                     ? memory_format("expectations hold; %zu times trouble in the run", troubles)
                     : memory_copy_text("expectations hold"),
                 held < json_array_size(verdicts) || troubles);
}

static void write_stall(FILE *file, const json_t *probe)
{
    const json_t *stalls = json_object_get(probe, "stalls"), *stall;
    char length[RECORD_DURATION_SIZE];
    long long longest = 0;
    size_t i;

    json_array_foreach (stalls, i, stall)
        longest = record_number(stall, "ms") > longest ? record_number(stall, "ms") : longest;
    record_format_duration(length, (double)longest);
    write_figure(file, memory_copy_text(length),
                 memory_format("longest stall, of %zu", json_array_size(stalls)), false);
}

static void write_data(FILE *file, const json_t *probe)
{
    static const char *const harms[] = {"lost", "stale", "torn", "foreign"};
    const char *unverified = record_text(probe, "not_verified");
    char *blocks = grouped(record_number(probe, "blocks_verified"));
    long long wrong = 0;

    for (size_t i = 0; i < sizeof(harms) / sizeof(*harms); i++)
        wrong += record_number(probe, harms[i]);
    write_figure(file,
                 wrong         ? memory_format("%lld wrong", wrong)
                 : *unverified ? memory_copy_text("unknown")
                               : memory_copy_text("intact"),
                 memory_format("blocks, %s read back", blocks), wrong || *unverified);
    free(blocks);
}

static void write_probe(FILE *file, const json_t *probe)
{
    const json_t *latency = json_object_get(probe, "latency_us");

    write_stall(file, probe);
    write_data(file, probe);
    write_figure(file, grouped(record_number(probe, "operations")),
                 memory_format("operations, %lld failed", record_number(probe, "errors")),
                 record_number(probe, "errors") > 0);
    write_figure(file,
                 memory_format("%.2f / %.2f", (double)record_number(latency, "p50") / 1000,
                               (double)record_number(latency, "p99") / 1000),
                 memory_copy_text("ms latency: median / 99 %"), false);
    write_figure(file,
                 memory_format("%lld / %lld", record_number(probe, "reconnects"),
                               record_number(probe, "redirects")),
                 memory_copy_text("reconnects / redirects"), false);
}

static int count_events(const json_t *record, const char *pattern)
{
    size_t i;
    const json_t *event;
    int count = 0;

    json_array_foreach (json_object_get(record, "events"), i, event)
        count += scenario_matches(pattern, event);
    return count;
}

static void write_cluster(FILE *file, const json_t *record)
{
    static const struct {
        const char *pattern, *what;
    } counts[] = {
        {"session.opened target=*", "sessions opened"},
        {"target.moved", "targets moved"},
        {"login.redirected", "logins redirected"},
        {"login.refused", "logins refused"},
    };

    for (size_t i = 0; i < sizeof(counts) / sizeof(*counts); i++)
        write_figure(file, memory_format("%d", count_events(record, counts[i].pattern)),
                     memory_copy_text(counts[i].what), false);
}

void scenario_page_write_figures(FILE *file, const json_t *record)
{
    const json_t *probe = json_object_get(record, "probe");

    fputs("<div class=\"figures\">\n", file);
    write_expected(file, record);
    if (json_is_object(probe))
        write_probe(file, probe);
    else
        write_cluster(file, record);
    fputs("</div>\n", file);
}
