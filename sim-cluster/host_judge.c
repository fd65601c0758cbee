#include "sim-cluster/host_judge.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define QUIET_ENOUGH_MS 60000 /* without a NOP-Out nobody is polling */
#define DELAY_LEAST_MS 4000   /* DelayBetweenReconnect: 5 s, as timers go */
#define DELAY_MOST_MS 6500

const char *const host_verdicts[] = {
    [HOST_AS_RECOMMENDED] = "as recommended",
    [HOST_NOT_AS_RECOMMENDED] = "not as recommended",
    [HOST_UNSEEN] = "cannot be seen from here",
};

/* clang-format off */
const struct host_key host_keys[] = {
    { "HeaderDigest",             "None,CRC32C" },
    { "DataDigest",               "None,CRC32C" },
    { "ErrorRecoveryLevel",       "2" },
    { "InitialR2T",               "No" },
    { "ImmediateData",            "Yes" },
    { "MaxRecvDataSegmentLength", "65536" },
    { "MaxBurstLength",           "262144" },
    { "FirstBurstLength",         "65536" },
    { "MaxConnections",           "32" },
    { "DataPDUInOrder",           "Yes" },
    { "DataSequenceInOrder",      "Yes" },
    { "DefaultTime2Wait",         "0" },
    { "DefaultTime2Retain",       "60" },
    { "MaxOutstandingR2T",        "16" },
};
/* clang-format on */
const size_t host_key_count = sizeof(host_keys) / sizeof(*host_keys);

size_t host_find_offer(const char *offered, const char *key, const char **value)
{
    size_t length = strlen(key);

    while (offered && *offered) {
        size_t pair = strcspn(offered, " ");

        if (pair > length && offered[length] == '=' && !strncmp(offered, key, length)) {
            *value = offered + length + 1;
            return pair - length - 1;
        }
        offered += pair + strspn(offered + pair, " ");
    }
    return 0;
}

bool host_is_windows(const char *name, const char *isid)
{
    static const char prefix[] = "iqn.1991-05.com.microsoft:", number[] = "40000137";

    return !strncasecmp(name, prefix, sizeof(prefix) - 1) ||
           (isid && !strncmp(isid, number, sizeof(number) - 1));
}

/* ---- one function a recommended value ---- */

#define say(...) snprintf(evidence, HOST_EVIDENCE_SIZE, __VA_ARGS__)

static enum host_verdict judge_nop(const struct host_facts *facts,
                                   char evidence[static HOST_EVIDENCE_SIZE])
{
    if (facts->nops && facts->nop_period_ms >= 0)
        say("%" PRIu64 " NOP-Outs, one every %.1f s", facts->nops,
            (double)facts->nop_period_ms / 1000);
    else if (facts->nops)
        say("a NOP-Out");
    else
        say("no NOP-Out; it was quiet for %.0f s at most, and %d s would tell",
            (double)facts->quiet_ms / 1000, QUIET_ENOUGH_MS / 1000);
    if (facts->nops)
        return HOST_AS_RECOMMENDED;
    if (facts->quiet_ms < QUIET_ENOUGH_MS)
        return HOST_UNSEEN;
    say("no NOP-Out, though it was quiet for %.0f s", (double)facts->quiet_ms / 1000);
    return HOST_NOT_AS_RECOMMENDED;
}

static enum host_verdict judge_holding(const struct host_facts *facts,
                                       char evidence[static HOST_EVIDENCE_SIZE])
{
    if (facts->longest_return_ms)
        say("lost %" PRIu64 " times, the longest way back took %.3f s; what became of its requests "
            "only the host knows",
            facts->losses, (double)facts->longest_return_ms / 1000);
    else
        say("it has not come back from a loss yet; what becomes of its requests only the host "
            "knows");
    return HOST_UNSEEN;
}

static enum host_verdict judge_inside(const struct host_facts *facts,
                                      char evidence[static HOST_EVIDENCE_SIZE])
{
    (void)facts;
    say("only the host's registry tells");
    return HOST_UNSEEN;
}

static enum host_verdict judge_retries(const struct host_facts *facts,
                                       char evidence[static HOST_EVIDENCE_SIZE])
{
    say("at most %u for one way back, without those that nobody answered", facts->most_tries);
    return HOST_UNSEEN;
}

/* With 86400 s no command is given up in a laboratory's life. */
static enum host_verdict judge_timeout(const struct host_facts *facts,
                                       char evidence[static HOST_EVIDENCE_SIZE])
{
    if (!facts->resets && !facts->aborts) {
        say("no command was given up; one that hangs would tell");
        return HOST_UNSEEN;
    }
    say("%" PRIu64 " resets and %" PRIu64 " aborts: commands were given up", facts->resets,
        facts->aborts);
    return HOST_NOT_AS_RECOMMENDED;
}

static enum host_verdict judge_cadence(const struct host_facts *facts,
                                       char evidence[static HOST_EVIDENCE_SIZE])
{
    if (facts->cadence_ms < 0) {
        say("no way back took more than one login that was seen");
        return HOST_UNSEEN;
    }
    say("logins %.1f s apart", (double)facts->cadence_ms / 1000);
    return facts->cadence_ms >= DELAY_LEAST_MS && facts->cadence_ms <= DELAY_MOST_MS
               ? HOST_AS_RECOMMENDED
               : HOST_NOT_AS_RECOMMENDED;
}

static enum host_verdict judge_portal(const struct host_facts *facts,
                                      char evidence[static HOST_EVIDENCE_SIZE])
{
    if (!facts->logins) {
        say("no login has got through yet");
        return HOST_UNSEEN;
    }
    say("%" PRIu64 " of %" PRIu64 " logins came to a node's portal without a redirect",
        facts->direct_logins, facts->logins);
    return facts->direct_logins ? HOST_NOT_AS_RECOMMENDED : HOST_AS_RECOMMENDED;
}

static enum host_verdict judge_paths(const struct host_facts *facts,
                                     char evidence[static HOST_EVIDENCE_SIZE])
{
    if (!facts->most_sessions) {
        say("no session yet");
        return HOST_UNSEEN;
    }
    say("%u session%s of one target at a time, with ISIDs of their own; the portal group has %u "
        "floating IP%s",
        facts->most_sessions, facts->most_sessions == 1 ? "" : "s", facts->floating_ips,
        facts->floating_ips == 1 ? "" : "s");
    if (facts->most_sessions > 1)
        return HOST_AS_RECOMMENDED;
    return facts->floating_ips > 1 ? HOST_NOT_AS_RECOMMENDED : HOST_UNSEEN;
}

static enum host_verdict judge_keys(const struct host_facts *facts,
                                    char evidence[static HOST_EVIDENCE_SIZE])
{
    size_t written = 0, different = 0;

    if (!facts->offered) {
        say("no login has got so far yet");
        return HOST_UNSEEN;
    }
    say("all as Windows has them");
    for (size_t i = 0; i < host_key_count; i++) {
        const char *value = "nothing";
        size_t length = host_find_offer(facts->offered, host_keys[i].name, &value);

        if (length == strlen(host_keys[i].value) && !strncmp(value, host_keys[i].value, length))
            continue;
        if (written < HOST_EVIDENCE_SIZE)
            written += (size_t)snprintf(evidence + written, HOST_EVIDENCE_SIZE - written,
                                        "%s%s=%.*s", different ? ", " : "", host_keys[i].name,
                                        length ? (int)length : 7, value);
        different++;
    }
    return different ? HOST_NOT_AS_RECOMMENDED : HOST_AS_RECOMMENDED;
}

/* clang-format off */
const struct host_recommendation host_recommendations[] = {
    { "MaxRequestHoldTime",    "4294967295",                    judge_holding },
    { "LinkDownTime",          "5",                             judge_holding },
    { "SrbTimeoutDelta",       "5",                             judge_inside },
    { "PortalRetryCount",      "300",                           judge_retries },
    { "EnableNOPOut",          "1",                             judge_nop },
    { "Disk TimeOutValue",     "86400",                         judge_timeout },
    { "mpio PDORemovePeriod",  "86400",                         judge_inside },
    { "DelayBetweenReconnect", "5, Windows' default",           judge_cadence },
    { "target portal",         "a floating IP, never a node's", judge_portal },
    { "MPIO",                  "a session a floating IP",       judge_paths },
    { "login keys",            "Windows' defaults",             judge_keys },
};
/* clang-format on */
const size_t host_recommendation_count =
    sizeof(host_recommendations) / sizeof(*host_recommendations);
