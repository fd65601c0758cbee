#include "sim-cluster/host_report.h"

#include "sim-cluster/host_judge.h"
#include "target/base/event.h"

#include <string.h>

static json_t *time_text(double unix_time)
{
    char stamp[EVENT_TIME_SIZE];

    if (!unix_time)
        return json_null();
    event_format_time(stamp, unix_time);
    return json_string(stamp);
}

/* -1: not known */
static json_t *known(int64_t milliseconds)
{
    return milliseconds < 0 ? json_null() : json_integer(milliseconds);
}

static json_t *describe_path(const struct host_path *path, struct cluster *cluster)
{
    static const char *const states[] = {
        [HOST_PATH_NEW] = "trying",
        [HOST_PATH_OPEN] = "open",
        [HOST_PATH_LOST] = "lost",
        [HOST_PATH_LEFT] = "logged out",
    };
    const struct cluster_target *target = cluster_find_target(cluster, path->reach->target);
    const struct cluster_floating_ip *floating =
        path->floating_ip ? cluster_find_floating_ip(cluster, path->floating_ip) : NULL;
    const char *group = floating ? cluster->groups[floating->group].config->name : NULL;

    return json_pack(
        "{s:s, s:s?, s:s, s:s, s:s?, s:s?, s:o, s:s?, s:s?, s:o, s:I, s:I, s:I, s:s?, s:I, s:o}",
        "target", path->reach->target, "volume", target ? target->config->name : NULL, "isid",
        path->isid, "state", states[path->state], "floating_ip", path->floating_ip, "portal_group",
        group, "node", path->node ? json_integer(path->node) : json_null(), "portal", path->portal,
        "peer", path->peer, "since", time_text(path->since), "logins", (json_int_t)path->logins,
        "redirects", (json_int_t)path->redirects, "losses", (json_int_t)path->losses, "lost_reason",
        path->reason, "nop_outs", (json_int_t)path->nops, "nop_out_last_period_ms",
        known(path->last_nop_period_ms));
}

static void describe_paths(json_t *list, const struct list *paths, struct cluster *cluster)
{
    LIST_FOR_EACH (link, paths)
        json_array_append_new(list,
                              describe_path(container_of(link, struct host_path, link), cluster));
}

static json_t *describe_keys(const char *offered)
{
    json_t *list = json_array();

    for (size_t i = 0; offered && i < host_key_count; i++) {
        const char *value = "";
        size_t length = host_find_offer(offered, host_keys[i].name, &value);

        json_array_append_new(list,
                              json_pack("{s:s, s:o, s:s}", "key", host_keys[i].name, "offered",
                                        length ? json_stringn(value, length) : json_null(),
                                        "windows_default", host_keys[i].value));
    }
    return list;
}

static json_t *describe_returns(const struct host_record *host)
{
    json_t *list = json_array();
    uint64_t first =
        host->return_count > HOST_RETURNS_MAX ? host->return_count - HOST_RETURNS_MAX : 0;

    for (uint64_t i = first; i < host->return_count; i++) {
        const struct host_return *back = &host->returns[i % HOST_RETURNS_MAX];

        json_array_append_new(list, json_pack("{s:o, s:s, s:s, s:s?, s:i, s:I}", "lost_at",
                                              time_text(back->lost_at), "target", back->target,
                                              "isid", back->isid, "reason", back->reason, "logins",
                                              (int)back->tries, "duration_ms",
                                              (json_int_t)back->duration_ms));
    }
    return list;
}

/* ---- judgement ---- */

static uint64_t count_functions(const json_t *functions, const char *word)
{
    const char *name;
    json_t *count;
    uint64_t sum = 0;

    json_object_foreach ((json_t *)functions, name, count)
        if (strstr(name, word))
            sum += (uint64_t)json_integer_value(count);
    return sum;
}

/* The group of the first path that came through a floating IP. */
static unsigned count_floating_ips(const struct list *paths, struct cluster *cluster)
{
    LIST_FOR_EACH (link, paths) {
        const char *address = container_of(link, struct host_path, link)->floating_ip;
        const struct cluster_floating_ip *floating =
            address ? cluster_find_floating_ip(cluster, address) : NULL;

        if (floating)
            return (unsigned)cluster->groups[floating->group].config->floating_ip_count;
    }
    return 0;
}

static void add_paths(struct host_facts *facts, const struct list *paths)
{
    LIST_FOR_EACH (link, paths) {
        const struct host_path *path = container_of(link, struct host_path, link);

        facts->nops += path->nops;
        if (path->reach->most > facts->most_sessions)
            facts->most_sessions = path->reach->most;
    }
}

static struct host_facts facts_of(const struct host_record *host, struct cluster *cluster)
{
    struct host_facts facts = {
        .logins = host->logins,
        .direct_logins = host->direct_logins,
        .losses = host->losses,
        .resets = count_functions(host->functions, "RESET"),
        .aborts = count_functions(host->functions, "ABORT"),
        .nops = host->nops,
        .nop_period_ms = host->nop_period_ms,
        .cadence_ms = host->cadence_ms,
        .quiet_ms = host->quiet_ms,
        .longest_return_ms = host->longest_return_ms,
        .most_tries = host->most_tries,
        .offered = host->offered,
    };

    facts.floating_ips = count_floating_ips(&host->open, cluster);
    if (!facts.floating_ips)
        facts.floating_ips = count_floating_ips(&host->past, cluster);
    add_paths(&facts, &host->open);
    add_paths(&facts, &host->past);
    return facts;
}

static json_t *judge_all(const struct host_facts *facts)
{
    json_t *list = json_array();

    for (size_t i = 0; i < host_recommendation_count; i++) {
        const struct host_recommendation *row = &host_recommendations[i];
        char evidence[HOST_EVIDENCE_SIZE];
        enum host_verdict verdict = row->judge(facts, evidence);

        json_array_append_new(list, json_pack("{s:s, s:s, s:s, s:s}", "name", row->name,
                                              "recommended", row->value, "verdict",
                                              host_verdicts[verdict], "evidence", evidence));
    }
    return list;
}

static bool is_windows(const struct host_record *host)
{
    const struct list *path = list_first(&host->open);

    if (!path)
        path = list_first(&host->past);
    return host_is_windows(host->name,
                           path ? container_of(path, struct host_path, link)->isid : NULL);
}

static json_t *describe_host(const struct host_record *host, struct cluster *cluster)
{
    struct host_facts facts = facts_of(host, cluster);
    json_t *paths = json_array();

    describe_paths(paths, &host->open, cluster);
    describe_paths(paths, &host->past, cluster);
    return json_pack(
        "{s:s, s:b, s:o, s:o, s:b, s:o, s:o, s:I, s:I, s:I, s:I, s:I, s:o, s:o, s:o, s:I, s:o, "
        "s:O, "
        "s:o}",
        "initiator", host->name, "windows", is_windows(host), "first_seen",
        time_text(host->first_seen), "last_seen", time_text(host->last_seen), "mpio",
        facts.most_sessions > 1, "paths", paths, "keys", describe_keys(host->offered), "logins",
        (json_int_t)host->logins, "discoveries", (json_int_t)host->discoveries, "redirects",
        (json_int_t)host->redirects, "refusals", (json_int_t)host->refusals, "nop_outs",
        (json_int_t)facts.nops, "nop_out_period_ms", known(host->nop_period_ms), "reconnect_ms",
        known(host->cadence_ms), "returns", describe_returns(host), "losses",
        (json_int_t)host->losses, "longest_return_ms",
        host->return_count ? json_integer(host->longest_return_ms) : json_null(), "task_management",
        host->functions, "recommended", is_windows(host) ? judge_all(&facts) : json_array());
}

json_t *host_report(const struct hosts *hosts, struct cluster *cluster)
{
    json_t *list = json_array();

    LIST_FOR_EACH (link, &hosts->all)
        json_array_append_new(list,
                              describe_host(container_of(link, struct host_record, link), cluster));
    return list;
}
