#include "sim-cluster/scenario_page.h"
#include "sim-cluster/scenario_report.h"

#include <string.h>

enum { STAGES = 7, STALLS_MAX = 20, WORTH_MS = 100 };

/* What the time of a stall goes into, in this order: until what the event stream tells of the
 * cluster, or until what the probe tells of itself. */
static const struct stage {
    const char *class, *name;
    const char *event, *key;
} stages[STAGES] = {
    {"detect", "detect", "node.failed", "lost_ms"},
    {"fence", "fence", "node.fenced", NULL},
    {"move", "move", "target.moved", NULL},
    {"reconnect", "reconnect", NULL, "connected_ms"},
    {"redirect", "redirect", NULL, "redirected_ms"},
    {"login", "log in", NULL, "logged_in_ms"},
    {"answer", "first answer", NULL, "first_answer_ms"},
};

/* The first event of the kind during the stall, in ms after its begin; -1: none. A target is the
 * probe's. */
static double find_during(const json_t *record, const char *kind, const json_t *stall)
{
    const json_t *target = json_object_get(json_object_get(record, "probe"), "target"), *event;
    double from = record_time(stall, "at"), to = from + (double)record_number(stall, "ms") / 1000;
    size_t i;

    json_array_foreach (json_object_get(record, "events"), i, event) {
        double at = record_time(event, "time");
        const json_t *of = json_object_get(event, "target");

        if (record_is_event(event, kind) && at >= from - 0.01 && at <= to &&
            (!of || json_equal(of, target)))
            return at > from ? (at - from) * 1000 : 0;
    }
    return -1;
}

static double moment_of(const json_t *record, const struct stage *stage, const json_t *stall)
{
    double during = stage->event ? find_during(record, stage->event, stall) : -1;
    const json_t *told =
        stage->key ? json_object_get(json_object_get(stall, "stages"), stage->key) : NULL;

    if (during >= 0)
        return during;
    return told ? (double)json_integer_value(told) : -1;
}

/* How long each stage took, in ms; -1: it was not one of this stall. All are that of a stall in
 * which nothing failed and nobody was lost. */
static void split(const json_t *record, const json_t *stall, double parts[static STAGES])
{
    double before = 0, all = (double)record_number(stall, "ms");
    bool was_lost = false;

    for (size_t i = 0; i < STAGES; i++) {
        double moment = i + 1 < STAGES ? moment_of(record, &stages[i], stall) : was_lost ? all : -1;

        was_lost |= moment >= 0;
        moment = moment > all ? all : moment;
        parts[i] = moment < 0 ? -1 : moment > before ? moment - before : 0;
        before = moment > before ? moment : before;
    }
}

static void write_bar(FILE *file, const double parts[static STAGES], double share)
{
    fprintf(file, "<td class=\"whole\"><div class=\"bar\" style=\"width:%.1f%%\">", share * 100);
    for (size_t i = 0; i < STAGES; i++)
        if (parts[i] > 0)
            fprintf(file, "<i class=\"%s\" style=\"flex:%.0f\" title=\"%s %.0f ms\"></i>",
                    stages[i].class, parts[i], stages[i].name, parts[i]);
    if (parts[STAGES - 1] < 0)
        fputs("<i class=\"quiet\" style=\"flex:1\"></i>", file);
    fputs("</div></td>", file);
}

static void write_stall(FILE *file, const json_t *record, const json_t *stall, double longest)
{
    double parts[STAGES], ms = (double)record_number(stall, "ms");
    char length[RECORD_DURATION_SIZE];

    split(record, stall, parts);
    record_format_duration(length, ms);
    fprintf(file, "<tr><td class=\"number\">%.2f s</td><td class=\"number\"><b>%s</b></td>",
            record_time(stall, "at") - record_time(record, "steady"), length);
    write_bar(file, parts, longest > 0 ? ms / longest : 1);
    for (size_t i = 0; i < STAGES; i++)
        if (parts[i] < 0)
            fputs("<td class=\"number faint\">&ndash;</td>", file);
        else
            fprintf(file, "<td class=\"number\">%.0f</td>", parts[i]);
    fputs("<td class=\"saw\">", file);
    scenario_write_escaped(file, *record_text(stall, "why") ? record_text(stall, "why")
                                                            : "it stayed connected");
    fputs("</td></tr>\n", file);
}

static void write_heading(FILE *file)
{
    fputs("<h2>Stalls, and what the time went into</h2><table><tr><th class=\"number\">at</th>"
          "<th class=\"number\">length</th><th></th>",
          file);
    for (size_t i = 0; i < STAGES; i++)
        fprintf(file, "<th class=\"number\"><i class=\"%s\"></i>%s</th>", stages[i].class,
                stages[i].name);
    fputs("<th>what the host saw</th></tr>\n", file);
}

/* A gap of a loaded machine is not worth a line. */
static bool is_worth(const json_t *stall)
{
    return *record_text(stall, "why") || record_number(stall, "ms") >= WORTH_MS;
}

void scenario_page_write_stalls(FILE *file, const json_t *record)
{
    const json_t *stalls = json_object_get(json_object_get(record, "probe"), "stalls"), *stall;
    double longest = 0;
    size_t i, shown = 0;

    json_array_foreach (stalls, i, stall)
        if ((double)record_number(stall, "ms") > longest)
            longest = (double)record_number(stall, "ms");
    json_array_foreach (stalls, i, stall) {
        if (!is_worth(stall) || shown == STALLS_MAX)
            continue;
        if (!shown++)
            write_heading(file);
        write_stall(file, record, stall, longest);
    }
    if (!shown)
        return;
    fputs("</table><p class=\"faint\">Milliseconds each. detect: until the cluster, or without a "
          "failure the host, has noticed.",
          file);
    if (shown < json_array_size(stalls))
        fprintf(file, " %zu more, shorter than %d ms or at the end, are not shown.",
                json_array_size(stalls) - shown, WORTH_MS);
    fputs("</p>\n", file);
}
