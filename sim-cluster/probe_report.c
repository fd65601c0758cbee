/* Figures into words and into JSON. */
#include "sim-cluster/probe_report.h"

#include <inttypes.h>
#include <string.h>

#include "target/base/event.h"

#define MIB (1024. * 1024.)
#define TIME_OF_DAY 11 /* where it begins in an RFC 3339 time */
#define TIME_OF_DAY_LENGTH 12

/* What a sector holds instead of what it must. */
static const char *const contents[] = {
    [CONTENT_OURS] = "another write of this run",
    [CONTENT_BLANK] = "zeros",
    [CONTENT_EARLIER] = "what an earlier run wrote",
    [CONTENT_MISPLACED] = "what was written to another place",
    [CONTENT_STRANGE] = "what somebody else wrote",
    [CONTENT_BROKEN] = "a stamp with a wrong checksum",
    [CONTENT_UNKNOWN] = "unknown content",
};

static const struct {
    enum probe_fault fault;
    const char *name;
} faults[] = {
    {PROBE_LOST, "lost"},
    {PROBE_STALE, "stale"},
    {PROBE_TORN, "torn"},
    {PROBE_FOREIGN, "foreign"},
};

static const struct {
    const char *field, *label;
} stages[STAGE_COUNT] = {
    [STAGE_LOST] = {"lost_ms", "lost"},
    [STAGE_CONNECTED] = {"connected_ms", "connected"},
    [STAGE_REDIRECTED] = {"redirected_ms", "redirected"},
    [STAGE_LOGGED_IN] = {"logged_in_ms", "logged in"},
    [STAGE_FIRST_ANSWER] = {"first_answer_ms", "first answer"},
};

char *probe_describe_fault(char sentence[static PROBE_SENTENCE_SIZE],
                           const struct probe_verdict *verdict, uint64_t first)
{
    const struct probe_sector *found = &verdict->found;
    size_t length = 0;

    for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++) {
        if (verdict->faults & faults[i].fault)
            length += (size_t)snprintf(sentence + length, PROBE_SENTENCE_SIZE - length, "%s%s",
                                       length ? " and " : "", faults[i].name);
    }
    length +=
        (size_t)snprintf(sentence + length, PROBE_SENTENCE_SIZE - length,
                         ": sector %" PRIu64 " must hold write %" PRIu64 ", but holds %s",
                         first + verdict->sector, verdict->expected, contents[found->content]);
    if (found->content != CONTENT_BLANK && found->content != CONTENT_UNKNOWN)
        snprintf(sentence + length, PROBE_SENTENCE_SIZE - length,
                 " (write %" PRIu64 ", made for sector %" PRIu64 ")", found->sequence,
                 found->place);
    return sentence;
}

static void format_start(char stamp[static EVENT_TIME_SIZE], const struct probe_stall *stall)
{
    event_format_time(stamp, event_now() - (double)(probe_now_us() - stall->start_us) / 1e6);
}

void probe_print_stall(FILE *out, const struct probe_stall *stall)
{
    char stamp[EVENT_TIME_SIZE];
    const char *between = ": ";

    format_start(stamp, stall);
    fprintf(out, "stall of %" PRIu64 " ms at %.*s", stall->length_us / 1000, TIME_OF_DAY_LENGTH,
            stamp + TIME_OF_DAY);
    if (stall->why[0])
        fprintf(out, " (%s)", stall->why);
    for (int i = 0; i < STAGE_COUNT; i++) {
        if (!stall->stage_us[i])
            continue;
        fprintf(out, "%s%s at %" PRIu64 " ms", between, stages[i].label, stall->stage_us[i] / 1000);
        between = ", ";
    }
    fprintf(out, "\n");
}

static const char *state_of(const struct probe_load *load)
{
    static const char *const phases[] = {
        [PHASE_CONNECT] = "logging in ", [PHASE_LOAD] = "",     [PHASE_DRAIN] = "draining ",
        [PHASE_VERIFY] = "verifying ",   [PHASE_DONE] = "done",
    };

    return phases[load->phase];
}

void probe_print_progress(FILE *out, struct probe_load *load, double interval_s)
{
    struct probe_figures *figures = &load->figures;
    uint64_t now_us = probe_now_us();
    uint64_t silent_us = load->phase > PHASE_CONNECT ? now_us - load->watch.gap.start_us : 0;
    double elapsed_s = load->started_us ? (double)(now_us - load->started_us) / 1e6 : 0;

    fprintf(out, "%6.1f s  %7.0f IOPS  %7.1f MiB/s  p99 %6.1f ms  %s", elapsed_s,
            (double)figures->recent_us.count / interval_s,
            (double)figures->recent_bytes / MIB / interval_s,
            (double)probe_histogram_quantile(&figures->recent_us, 990) / 1000, state_of(load));
    if (load->phase == PHASE_CONNECT)
        fputs(load->session.why, out);
    else if (load->session.state != SESSION_READY)
        fprintf(out, "stalled %" PRIu64 " ms (reconnecting)", silent_us / 1000);
    else if (silent_us > load->watch.threshold_us)
        fprintf(out, "stalled %" PRIu64 " ms (no answer)", silent_us / 1000);
    figures->recent_us = (struct probe_histogram){0};
    figures->recent_bytes = 0;
}

static uint64_t longest_stall_ms(const struct probe_figures *figures)
{
    uint64_t longest_us = 0;

    for (size_t i = 0; i < figures->stall_count; i++) {
        if (figures->stalls[i].length_us > longest_us)
            longest_us = figures->stalls[i].length_us;
    }
    return longest_us / 1000;
}

bool probe_is_good(const struct probe_load *load)
{
    struct probe_counts counts = {0};

    if (load->model)
        counts = probe_model_counts(load->model);
    return !(counts.lost || counts.stale || counts.torn || counts.foreign) &&
           !load->figures.errors && !load->figures.not_verified[0];
}

void probe_print_summary(FILE *out, const struct probe_load *load)
{
    const struct probe_figures *figures = &load->figures;
    const struct probe_histogram *latency = &figures->latency_us;
    struct probe_counts counts =
        load->model ? probe_model_counts(load->model) : (struct probe_counts){0};
    double seconds = (double)figures->load_us / 1e6;

    fprintf(out, "target      %s by way of %s, at the end on %s\n", load->options->target,
            load->options->portal, load->session.served_by);
    fprintf(out, "load        %.1f s, %" PRIu64 " operations, %.1f MiB (%.0f IOPS, %.1f MiB/s)\n",
            seconds, figures->operations, (double)figures->bytes / MIB,
            seconds > 0 ? (double)figures->operations / seconds : 0,
            seconds > 0 ? (double)figures->bytes / MIB / seconds : 0);
    fprintf(out, "latency     p50 %.2f ms, p99 %.2f ms, longest %.1f ms\n",
            (double)probe_histogram_quantile(latency, 500) / 1000,
            (double)probe_histogram_quantile(latency, 990) / 1000, (double)latency->largest / 1000);
    fprintf(out,
            "stalls      %zu, the longest %" PRIu64 " ms; %" PRIu64 " reconnects, %" PRIu64
            " redirects, %" PRIu64 " retries, %" PRIu64 " errors\n",
            figures->stall_count, longest_stall_ms(figures), figures->reconnects,
            load->session.redirects, figures->retries, figures->errors);
    fprintf(out,
            "blocks      %" PRIu64 " written, %" PRIu64 " read back: %" PRIu64 " lost, %" PRIu64
            " stale, %" PRIu64 " torn, %" PRIu64 " foreign\n",
            figures->blocks_written, figures->blocks_verified, counts.lost, counts.stale,
            counts.torn, counts.foreign);
    if (figures->not_verified[0])
        fprintf(out, "NOT VERIFIED: %s\n", figures->not_verified);
}

static json_t *stages_of(const struct probe_stall *stall)
{
    json_t *times = json_object();

    for (int i = 0; i < STAGE_COUNT; i++) {
        if (stall->stage_us[i])
            json_object_set_new(times, stages[i].field,
                                json_integer((json_int_t)stall->stage_us[i] / 1000));
    }
    return times;
}

static json_t *stalls_of(const struct probe_figures *figures)
{
    json_t *stalls = json_array();

    for (size_t i = 0; i < figures->stall_count; i++) {
        const struct probe_stall *stall = &figures->stalls[i];
        char stamp[EVENT_TIME_SIZE];

        format_start(stamp, stall);
        json_array_append_new(stalls, json_pack("{s:s, s:I, s:o, s:I, s:s}", "at", stamp, "ms",
                                                (json_int_t)stall->length_us / 1000, "stages",
                                                stages_of(stall), "attempts",
                                                (json_int_t)stall->attempts, "why", stall->why));
    }
    return stalls;
}

static json_t *timeline_of(const struct probe_load *load)
{
    const struct probe_timeline *timeline = &load->figures.timeline;
    json_t *operations = json_array(), *longest = json_array();
    char stamp[EVENT_TIME_SIZE];

    for (size_t i = 0; i < timeline->count; i++) {
        json_array_append_new(operations, json_integer(timeline->steps[i].operations));
        json_array_append_new(longest, json_integer(timeline->steps[i].longest_us));
    }
    event_format_time(stamp, event_now() - (double)(probe_now_us() - load->started_us) / 1e6);
    return json_pack("{s:s, s:i, s:o, s:o}", "begun", stamp, "step_ms", PROBE_TIMELINE_STEP_MS,
                     "operations", operations, "longest_us", longest);
}

static void set_number(json_t *report, const char *name, uint64_t value)
{
    json_object_set_new(report, name, json_integer((json_int_t)value));
}

static void set_counts(json_t *report, const struct probe_load *load)
{
    struct probe_counts counts =
        load->model ? probe_model_counts(load->model) : (struct probe_counts){0};

    set_number(report, "lost", counts.lost);
    set_number(report, "stale", counts.stale);
    set_number(report, "torn", counts.torn);
    set_number(report, "foreign", counts.foreign);
    set_number(report, "errors", load->figures.errors);
    set_number(report, "retries", load->figures.retries);
    set_number(report, "blocks_written", load->figures.blocks_written);
    set_number(report, "blocks_verified", load->figures.blocks_verified);
}

json_t *probe_report(const struct probe_load *load)
{
    const struct probe_figures *figures = &load->figures;
    const struct probe_histogram *latency = &figures->latency_us;
    json_t *report = json_pack("{s:f}", "seconds", (double)figures->load_us / 1e6);

    set_number(report, "operations", figures->operations);
    set_number(report, "bytes", figures->bytes);
    json_object_set_new(report, "latency_us",
                        json_pack("{s:I, s:I, s:I}", "p50",
                                  (json_int_t)probe_histogram_quantile(latency, 500), "p99",
                                  (json_int_t)probe_histogram_quantile(latency, 990), "max",
                                  (json_int_t)latency->largest));
    set_number(report, "longest_stall_ms", longest_stall_ms(figures));
    json_object_set_new(report, "stalls", stalls_of(figures));
    json_object_set_new(report, "timeline", timeline_of(load));
    set_number(report, "reconnects", figures->reconnects);
    set_number(report, "redirects", load->session.redirects);
    set_counts(report, load);
    json_object_set_new(report, "target", json_string(load->options->target));
    json_object_set_new(report, "portal", json_string(load->options->portal));
    json_object_set_new(report, "served_by", json_string(load->session.served_by));
    json_object_set_new(report, "seed", json_integer((json_int_t)load->options->seed));
    if (figures->not_verified[0])
        json_object_set_new(report, "not_verified", json_string(figures->not_verified));
    return report;
}
