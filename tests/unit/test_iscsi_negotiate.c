/* The keys of RFC 7143 section 13: what is answered to an offer, and what then holds. */
#include "target/iscsi/negotiate.h"
#include "tests/unit/unit.h"

#include <stdio.h>
#include <string.h>

static struct negotiation negotiation;
static struct buffer answer;

static void set_up(void)
{
    negotiation_init(&negotiation);
}

static void tear_down(void)
{
    buffer_free(&answer);
}

static enum negotiate_result offer(enum negotiation_phase phase, bool is_discovery, const char *key,
                                   const char *value)
{
    const struct text_pair pair = {key, value};

    buffer_free(&answer);
    return negotiate_key(&negotiation, phase, is_discovery, &pair, &answer);
}

/* The answer must be one pair: `value` of `key`; NULL: none at all. */
static void expect(const char *key, const char *value)
{
    char text[256];
    int length = 0;

    if (value)
        length = snprintf(text, sizeof(text), "%s=%s", key, value) + 1;
    ck_assert_uint_eq(answer.length, (size_t)length);
    if (value)
        ck_assert_mem_eq(buffer_content(&answer), text, (size_t)length);
}

/* What is offered and what is answered; NULL: nothing. */
static const struct {
    const char *key, *value, *answer;
    enum negotiate_result result;
} offers[] = {
    /* 13.1 */
    {"HeaderDigest", "None", "None", NEGOTIATE_DONE},
    {"HeaderDigest", "CRC32C", "CRC32C", NEGOTIATE_DONE},
    {"HeaderDigest", "None,CRC32C", "None", NEGOTIATE_DONE},
    {"HeaderDigest", "CRC32C,None", "CRC32C", NEGOTIATE_DONE},
    {"HeaderDigest", "X-private,CRC32C,None", "CRC32C", NEGOTIATE_DONE},
    {"HeaderDigest", "SHA1", "Reject", NEGOTIATE_DONE},
    {"HeaderDigest", "", "Reject", NEGOTIATE_DONE},
    {"DataDigest", "CRC32C,None", "CRC32C", NEGOTIATE_DONE},
    {"DataDigest", "None", "None", NEGOTIATE_DONE},
    /* 13.2 */
    {"MaxConnections", "1", "1", NEGOTIATE_DONE},
    {"MaxConnections", "32", "1", NEGOTIATE_DONE},
    {"MaxConnections", "65535", "1", NEGOTIATE_DONE},
    {"MaxConnections", "0", "Reject", NEGOTIATE_DONE},
    {"MaxConnections", "65536", "Reject", NEGOTIATE_DONE},
    {"MaxConnections", "one", "Reject", NEGOTIATE_DONE},
    /* 13.7 */
    {"InitiatorAlias", "a host", NULL, NEGOTIATE_DONE},
    /* 13.10, 13.11 */
    {"InitialR2T", "Yes", "Yes", NEGOTIATE_DONE},
    {"InitialR2T", "No", "No", NEGOTIATE_DONE},
    {"InitialR2T", "yes", "Reject", NEGOTIATE_DONE},
    {"ImmediateData", "Yes", "Yes", NEGOTIATE_DONE},
    {"ImmediateData", "No", "No", NEGOTIATE_DONE},
    {"ImmediateData", "", "Reject", NEGOTIATE_DONE},
    /* 13.12: declared, not negotiated */
    {"MaxRecvDataSegmentLength", "65536", "262144", NEGOTIATE_DONE},
    {"MaxRecvDataSegmentLength", "512", "262144", NEGOTIATE_DONE},
    {"MaxRecvDataSegmentLength", "16777215", "262144", NEGOTIATE_DONE},
    {"MaxRecvDataSegmentLength", "0x10000", "262144", NEGOTIATE_DONE},
    {"MaxRecvDataSegmentLength", "511", NULL, NEGOTIATE_INVALID},
    {"MaxRecvDataSegmentLength", "16777216", NULL, NEGOTIATE_INVALID},
    {"MaxRecvDataSegmentLength", "0", NULL, NEGOTIATE_INVALID},
    {"MaxRecvDataSegmentLength", "many", NULL, NEGOTIATE_INVALID},
    /* 13.13, 13.14: the smaller one */
    {"MaxBurstLength", "262144", "262144", NEGOTIATE_DONE},
    {"MaxBurstLength", "512", "512", NEGOTIATE_DONE},
    {"MaxBurstLength", "16777215", "1048576", NEGOTIATE_DONE},
    {"MaxBurstLength", "511", "Reject", NEGOTIATE_DONE},
    {"MaxBurstLength", "16777216", "Reject", NEGOTIATE_DONE},
    {"FirstBurstLength", "65536", "65536", NEGOTIATE_DONE},
    {"FirstBurstLength", "512", "512", NEGOTIATE_DONE},
    {"FirstBurstLength", "16777215", "262144", NEGOTIATE_DONE},
    {"FirstBurstLength", "511", "Reject", NEGOTIATE_DONE},
    /* 13.15 the larger one, 13.16 the smaller one */
    {"DefaultTime2Wait", "0", "0", NEGOTIATE_DONE},
    {"DefaultTime2Wait", "3600", "3600", NEGOTIATE_DONE},
    {"DefaultTime2Wait", "3601", "Reject", NEGOTIATE_DONE},
    {"DefaultTime2Retain", "60", "0", NEGOTIATE_DONE},
    {"DefaultTime2Retain", "3601", "Reject", NEGOTIATE_DONE},
    /* 13.17 */
    {"MaxOutstandingR2T", "16", "4", NEGOTIATE_DONE},
    {"MaxOutstandingR2T", "1", "1", NEGOTIATE_DONE},
    {"MaxOutstandingR2T", "0", "Reject", NEGOTIATE_DONE},
    {"MaxOutstandingR2T", "65536", "Reject", NEGOTIATE_DONE},
    /* 13.18, 13.19: always in order */
    {"DataPDUInOrder", "No", "Yes", NEGOTIATE_DONE},
    {"DataPDUInOrder", "Yes", "Yes", NEGOTIATE_DONE},
    {"DataSequenceInOrder", "No", "Yes", NEGOTIATE_DONE},
    {"DataSequenceInOrder", "maybe", "Reject", NEGOTIATE_DONE},
    /* 13.20 */
    {"ErrorRecoveryLevel", "2", "0", NEGOTIATE_DONE},
    {"ErrorRecoveryLevel", "0", "0", NEGOTIATE_DONE},
    {"ErrorRecoveryLevel", "3", "Reject", NEGOTIATE_DONE},
    /* 13.23, 13.24 */
    {"TaskReporting", "RFC3720", "RFC3720", NEGOTIATE_DONE},
    {"TaskReporting", "FastAbort,RFC3720", "RFC3720", NEGOTIATE_DONE},
    {"TaskReporting", "FastAbort", "Reject", NEGOTIATE_DONE},
    {"iSCSIProtocolLevel", "1", "1", NEGOTIATE_DONE},
    {"iSCSIProtocolLevel", "2", "1", NEGOTIATE_DONE},
    {"iSCSIProtocolLevel", "0", "0", NEGOTIATE_DONE},
    {"iSCSIProtocolLevel", "32", "Reject", NEGOTIATE_DONE},
    /* 13.25 */
    {"IFMarker", "No", "No", NEGOTIATE_DONE},
    {"OFMarker", "No", "No", NEGOTIATE_DONE},
    /* not ours to know */
    {"X-com.example.colour", "blue", NULL, NEGOTIATE_UNKNOWN},
    {"maxburstlength", "512", NULL, NEGOTIATE_UNKNOWN}, /* keys have one spelling */
    {"OFMarkInt", "2048", NULL, NEGOTIATE_UNKNOWN},
};

START_TEST(each_offer_has_its_answer)
{
    ck_assert_int_eq(offer(NEGOTIATE_LOGIN, false, offers[_i].key, offers[_i].value),
                     offers[_i].result);
    expect(offers[_i].key, offers[_i].answer);
}
END_TEST

START_TEST(what_was_rejected_changes_nothing)
{
    struct negotiation fresh;

    negotiation_init(&fresh);
    offer(NEGOTIATE_LOGIN, false, offers[_i].key, offers[_i].value);
    if (!offers[_i].answer || !strcmp(offers[_i].answer, "Reject"))
        ck_assert_mem_eq(&negotiation.params, &fresh.params, sizeof(fresh.params));
}
END_TEST

START_TEST(without_offers_the_defaults_of_the_rfc_hold)
{
    const struct session_params *params = &negotiation.params;

    ck_assert(!params->header_digest && !params->data_digest);
    ck_assert(params->initial_r2t && params->immediate_data);
    ck_assert(params->data_pdu_in_order && params->data_sequence_in_order);
    ck_assert_uint_eq(params->max_send_data, 8192);
    ck_assert_uint_eq(params->max_recv_data, 8192); /* none was declared to them either */
    ck_assert_uint_eq(params->max_burst, 262144);
    ck_assert_uint_eq(params->first_burst, 65536);
    ck_assert_uint_eq(params->max_outstanding_r2t, 1);
    ck_assert_uint_eq(params->max_connections, 1);
    ck_assert_uint_eq(params->time2wait, 2);
    ck_assert_uint_eq(params->time2retain, 20);
    ck_assert_uint_eq(params->error_recovery_level, 0);
}
END_TEST

/* The second request of a Windows host. */
START_TEST(the_offers_of_windows_come_out_as_agreed)
{
    static const char *const windows[][3] = {
        {"HeaderDigest", "None,CRC32C", "None"}, {"DataDigest", "None,CRC32C", "None"},
        {"ErrorRecoveryLevel", "2", "0"},        {"InitialR2T", "No", "No"},
        {"ImmediateData", "Yes", "Yes"},         {"MaxRecvDataSegmentLength", "65536", "262144"},
        {"MaxBurstLength", "262144", "262144"},  {"FirstBurstLength", "65536", "65536"},
        {"MaxConnections", "32", "1"},           {"DataPDUInOrder", "Yes", "Yes"},
        {"DataSequenceInOrder", "Yes", "Yes"},   {"DefaultTime2Wait", "0", "0"},
        {"DefaultTime2Retain", "60", "0"},       {"MaxOutstandingR2T", "16", "4"},
    };
    const struct session_params *params = &negotiation.params;

    for (int i = 0; i < ROWS(windows); i++) {
        ck_assert_int_eq(offer(NEGOTIATE_LOGIN, false, windows[i][0], windows[i][1]),
                         NEGOTIATE_DONE);
        expect(windows[i][0], windows[i][2]);
    }
    ck_assert(!params->header_digest && !params->data_digest);
    ck_assert(!params->initial_r2t && params->immediate_data);
    ck_assert_uint_eq(params->max_send_data, 65536);
    ck_assert_uint_eq(params->max_recv_data, MAX_RECV_DATA_OURS);
    ck_assert_uint_eq(params->max_burst, 262144);
    ck_assert_uint_eq(params->first_burst, 65536);
    ck_assert_uint_eq(params->max_outstanding_r2t, 4);
    ck_assert_uint_eq(params->time2wait, 0);
    ck_assert_uint_eq(params->time2retain, 0);
}
END_TEST

START_TEST(a_digest_holds_once_it_is_agreed)
{
    offer(NEGOTIATE_LOGIN, false, "HeaderDigest", "CRC32C,None");
    ck_assert(negotiation.params.header_digest && !negotiation.params.data_digest);
    offer(NEGOTIATE_LOGIN, false, "DataDigest", "CRC32C");
    ck_assert(negotiation.params.data_digest);
}
END_TEST

/* 13.14: FirstBurstLength is never answered with more than MaxBurstLength. */
START_TEST(the_first_burst_fits_into_a_burst)
{
    offer(NEGOTIATE_LOGIN, false, "MaxBurstLength", "16384");
    offer(NEGOTIATE_LOGIN, false, "FirstBurstLength", "65536");
    expect("FirstBurstLength", "16384");
    ck_assert_uint_eq(negotiation.params.first_burst, 16384);
}
END_TEST

START_TEST(a_key_is_negotiated_once)
{
    const char *key = offers[_i].key, *value = offers[_i].value;

    if (offers[_i].result == NEGOTIATE_UNKNOWN)
        return;
    offer(NEGOTIATE_LOGIN, false, key, value);
    ck_assert_int_eq(offer(NEGOTIATE_LOGIN, false, key, value), NEGOTIATE_DUPLICATE);
    ck_assert_uint_eq(answer.length, 0);
}
END_TEST

/* What an initiator says to an offer of ours is no offer. */
START_TEST(words_that_are_answers_are_not_answered)
{
    static const char *const words[] = {"NotUnderstood", "Irrelevant", "Reject"};

    ck_assert_int_eq(offer(NEGOTIATE_LOGIN, false, "MaxBurstLength", words[_i]), NEGOTIATE_DONE);
    expect("MaxBurstLength", NULL);
    ck_assert_int_eq(offer(NEGOTIATE_LOGIN, false, "MaxBurstLength", "512"), NEGOTIATE_DONE);
    expect("MaxBurstLength", "512");
}
END_TEST

/* Which keys mean something in a discovery session, and which may be changed later. */
static const struct {
    const char *key, *value;
    bool in_discovery, in_full_feature;
} places[] = {
    {"HeaderDigest", "None", true, false},
    {"DataDigest", "None", true, false},
    {"MaxConnections", "1", false, false},
    {"InitiatorAlias", "host", true, true},
    {"InitialR2T", "Yes", false, false},
    {"ImmediateData", "Yes", false, false},
    {"MaxRecvDataSegmentLength", "8192", true, true},
    {"MaxBurstLength", "8192", false, false},
    {"FirstBurstLength", "8192", false, false},
    {"DefaultTime2Wait", "0", true, false},
    {"DefaultTime2Retain", "0", true, false},
    {"MaxOutstandingR2T", "1", false, false},
    {"DataPDUInOrder", "Yes", false, false},
    {"DataSequenceInOrder", "Yes", false, false},
    {"ErrorRecoveryLevel", "0", true, false},
    {"TaskReporting", "RFC3720", false, false},
    {"iSCSIProtocolLevel", "1", false, false},
};

START_TEST(some_keys_are_irrelevant_in_discovery)
{
    const char *key = places[_i].key;

    ck_assert_int_eq(offer(NEGOTIATE_LOGIN, true, key, places[_i].value), NEGOTIATE_DONE);
    if (places[_i].in_discovery)
        ck_assert(!answer.length || !strstr(buffer_content(&answer), "Irrelevant"));
    else
        expect(key, "Irrelevant");
}
END_TEST

START_TEST(most_keys_are_for_the_login_only)
{
    const char *key = places[_i].key;

    ck_assert_int_eq(offer(NEGOTIATE_FULL_FEATURE, false, key, places[_i].value), NEGOTIATE_DONE);
    if (places[_i].in_full_feature)
        ck_assert(!answer.length || !strstr(buffer_content(&answer), "Reject"));
    else
        expect(key, "Reject");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("negotiate");
    TCase *tests = tcase_create("negotiate");

    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_loop_test(tests, each_offer_has_its_answer, 0, ROWS(offers));
    tcase_add_loop_test(tests, what_was_rejected_changes_nothing, 0, ROWS(offers));
    tcase_add_test(tests, without_offers_the_defaults_of_the_rfc_hold);
    tcase_add_test(tests, the_offers_of_windows_come_out_as_agreed);
    tcase_add_test(tests, a_digest_holds_once_it_is_agreed);
    tcase_add_test(tests, the_first_burst_fits_into_a_burst);
    tcase_add_loop_test(tests, a_key_is_negotiated_once, 0, ROWS(offers));
    tcase_add_loop_test(tests, words_that_are_answers_are_not_answered, 0, 3);
    tcase_add_loop_test(tests, some_keys_are_irrelevant_in_discovery, 0, ROWS(places));
    tcase_add_loop_test(tests, most_keys_are_for_the_login_only, 0, ROWS(places));
    suite_add_tcase(suite, tests);
    return unit_run(suite);
}
