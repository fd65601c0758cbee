/* What is made of what the wire tells of a Windows host. */
#include "sim-cluster/host_judge.h"
#include "tests/unit/unit.h"

#include <string.h>

#define UNKNOWN .nop_period_ms = -1, .cadence_ms = -1
#define AS_INSTALLED                                                                               \
    "HeaderDigest=None,CRC32C DataDigest=None,CRC32C ErrorRecoveryLevel=2 InitialR2T=No "          \
    "ImmediateData=Yes MaxRecvDataSegmentLength=65536 MaxBurstLength=262144 "                      \
    "FirstBurstLength=65536 MaxConnections=32 DataPDUInOrder=Yes DataSequenceInOrder=Yes "         \
    "DefaultTime2Wait=0 DefaultTime2Retain=60 MaxOutstandingR2T=16"

/* clang-format off */
static const struct {
    const char *name;
    enum host_verdict verdict;
    const char *evidence; /* a part of it */
    struct host_facts facts;
} cases[] = {
    { "EnableNOPOut",         HOST_AS_RECOMMENDED,     "7 NOP-Outs, one every 5.0 s", { .nops = 7, .nop_period_ms = 5000, .cadence_ms = -1 } },
    { "EnableNOPOut",         HOST_AS_RECOMMENDED,     "a NOP-Out",            { .nops = 1, UNKNOWN } },
    { "EnableNOPOut",         HOST_NOT_AS_RECOMMENDED, "quiet for 75 s",       { .quiet_ms = 75000, UNKNOWN } },
    { "EnableNOPOut",         HOST_UNSEEN,             "quiet for 3 s",        { .quiet_ms = 3000, UNKNOWN } },
    { "MaxRequestHoldTime",   HOST_UNSEEN,             "lost 2 times, the longest way back took 12.500 s", { .losses = 2, .longest_return_ms = 12500, UNKNOWN } },
    { "LinkDownTime",         HOST_UNSEEN,             "only the host knows",  { UNKNOWN } },
    { "SrbTimeoutDelta",      HOST_UNSEEN,             "registry",             { UNKNOWN } },
    { "mpio PDORemovePeriod", HOST_UNSEEN,             "registry",             { UNKNOWN } },
    { "PortalRetryCount",     HOST_UNSEEN,             "at most 9 for one way back",     { .most_tries = 9, UNKNOWN } },
    { "Disk TimeOutValue",    HOST_NOT_AS_RECOMMENDED, "2 resets and 0 aborts", { .resets = 2, UNKNOWN } },
    { "Disk TimeOutValue",    HOST_NOT_AS_RECOMMENDED, "0 resets and 1 aborts", { .aborts = 1, UNKNOWN } },
    { "Disk TimeOutValue",    HOST_UNSEEN,             "no command was given up", { UNKNOWN } },
    { "DelayBetweenReconnect", HOST_AS_RECOMMENDED,    "5.2 s apart",          { .cadence_ms = 5200, .nop_period_ms = -1 } },
    { "DelayBetweenReconnect", HOST_NOT_AS_RECOMMENDED, "1.0 s apart",         { .cadence_ms = 1000, .nop_period_ms = -1 } },
    { "DelayBetweenReconnect", HOST_UNSEEN,            "more than one login",  { UNKNOWN } },
    { "target portal",        HOST_AS_RECOMMENDED,     "0 of 3 logins",        { .logins = 3, UNKNOWN } },
    { "target portal",        HOST_NOT_AS_RECOMMENDED, "1 of 3 logins",        { .logins = 3, .direct_logins = 1, UNKNOWN } },
    { "target portal",        HOST_UNSEEN,             "no login",             { UNKNOWN } },
    { "MPIO",                 HOST_AS_RECOMMENDED,     "2 sessions of one target", { .most_sessions = 2, .floating_ips = 2, UNKNOWN } },
    { "MPIO",                 HOST_NOT_AS_RECOMMENDED, "1 session of one target", { .most_sessions = 1, .floating_ips = 2, UNKNOWN } },
    { "MPIO",                 HOST_UNSEEN,             "has 1 floating IP",    { .most_sessions = 1, .floating_ips = 1, UNKNOWN } },
    { "MPIO",                 HOST_UNSEEN,             "no session",           { .floating_ips = 2, UNKNOWN } },
    { "login keys",           HOST_AS_RECOMMENDED,     "all",                  { .offered = AS_INSTALLED, UNKNOWN } },
    { "login keys",           HOST_AS_RECOMMENDED,     "all",                  { .offered = "InitiatorAlias=a " AS_INSTALLED, UNKNOWN } },
    { "login keys",           HOST_NOT_AS_RECOMMENDED, "HeaderDigest=nothing", { .offered = "MaxBurstLength=262144", UNKNOWN } },
    { "login keys",           HOST_NOT_AS_RECOMMENDED, "HeaderDigest=CRC32C,", { .offered = "HeaderDigest=CRC32C", UNKNOWN } },
    { "login keys",           HOST_UNSEEN,             "no login",             { UNKNOWN } },
};
/* clang-format on */

static const struct host_recommendation *row_of(const char *name)
{
    for (size_t i = 0; i < host_recommendation_count; i++)
        if (!strcmp(host_recommendations[i].name, name))
            return &host_recommendations[i];
    ck_abort_msg("no recommended value is called %s", name);
}

START_TEST(a_value_is_judged_by_what_was_seen)
{
    char evidence[HOST_EVIDENCE_SIZE];
    enum host_verdict verdict = row_of(cases[_i].name)->judge(&cases[_i].facts, evidence);

    ck_assert_str_eq(host_verdicts[verdict], host_verdicts[cases[_i].verdict]);
    ck_assert_msg(strstr(evidence, cases[_i].evidence), "%s", evidence);
}
END_TEST

START_TEST(a_key_is_found_as_a_whole_word)
{
    const char *value = NULL, *offered = "MaxBurstLength=1 FirstBurstLength=22";

    ck_assert_uint_eq(host_find_offer(offered, "BurstLength", &value), 0);
    ck_assert_uint_eq(host_find_offer(offered, "FirstBurstLength", &value), 2);
    ck_assert_str_eq(value, "22");
    ck_assert_uint_eq(host_find_offer(NULL, "FirstBurstLength", &value), 0);
}
END_TEST

START_TEST(windows_is_known_by_its_name_or_its_isid)
{
    ck_assert(host_is_windows("iqn.1991-05.com.microsoft:a", NULL));
    ck_assert(host_is_windows("iqn.2020-01.org.example:renamed", "400001370001"));
    ck_assert(!host_is_windows("iqn.1993-08.org.debian:01:a", "00023d000001"));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("host judgement");
    TCase *test = tcase_create("host judgement");

    tcase_add_loop_test(test, a_value_is_judged_by_what_was_seen, 0, ROWS(cases));
    tcase_add_test(test, a_key_is_found_as_a_whole_word);
    tcase_add_test(test, windows_is_known_by_its_name_or_its_isid);
    suite_add_tcase(suite, test);
    return unit_run(suite);
}
