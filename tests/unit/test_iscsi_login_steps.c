/* The decisions of a login, step by step: where it may go from each state. */
#include "tests/unit/iscsi_fixture.h"

static struct fake_host fake;
static struct client client;
static struct login *login_here;

static void set_up(void)
{
    fake_start(&fake);
    client = client_open(&fake);
    login_here = container_of(list_first(&fake.host.registry.logins), struct login, link);
}

static void tear_down(void)
{
    fake_stop(&fake);
    close(client.fd);
}

/* Brings the login to a state as if it had gone there, and takes the pairs of a request. */
static void begin(enum login_state state, uint8_t stage, const char *text)
{
    static char copy[512];
    char *cursor = copy, *end;
    struct text_pair pair;

    login_here->initiator = memory_copy_text(INITIATOR);
    login_here->target = memory_copy_text(TARGET);
    login_here->state = state;
    login_here->is_routed = state >= LOGIN_SECURE;
    login_here->request = (struct pdu_login){.current_stage = stage};
    snprintf(copy, sizeof(copy) - 1, "%s", text);
    for (char *space = copy; (space = strchr(space, ' '));)
        *space = '\0';
    for (end = copy + strlen(text); text_next(&cursor, end, &pair) == TEXT_PAIR;)
        ck_assert_int_eq(login_take_pair(login_here, &pair), LOGIN_ACCEPTED);
}

/* From a state, in a stage, with these pairs: to which state, or refused with what. */
static const struct {
    enum login_state from;
    enum login_stage stage;
    const char *text;
    bool has_account, needs_chap;
    enum login_state to;
    enum login_status refusal;
} rows[] = {
    /* the first request */
    {LOGIN_NEW, STAGE_SECURITY, "AuthMethod=None", 0, 0, LOGIN_SECURE, 0},
    {LOGIN_NEW, STAGE_SECURITY, "AuthMethod=CHAP,None", 0, 0, LOGIN_SECURE, 0},
    {LOGIN_NEW, STAGE_SECURITY, "AuthMethod=CHAP", 0, 0, LOGIN_REFUSED, LOGIN_NOT_AUTHENTICATED},
    {LOGIN_NEW, STAGE_SECURITY, "AuthMethod=KRB5", 0, 0, LOGIN_REFUSED, LOGIN_NOT_AUTHENTICATED},
    {LOGIN_NEW, STAGE_SECURITY, "AuthMethod=CHAP,None", 1, 1, LOGIN_METHOD_CHAP, 0},
    {LOGIN_NEW, STAGE_SECURITY, "AuthMethod=None,CHAP", 1, 1, LOGIN_METHOD_CHAP, 0},
    {LOGIN_NEW, STAGE_SECURITY, "AuthMethod=None", 1, 1, LOGIN_REFUSED, LOGIN_NOT_AUTHENTICATED},
    {LOGIN_NEW, STAGE_SECURITY, "AuthMethod=None", 1, 0, LOGIN_SECURE, 0},
    {LOGIN_NEW, STAGE_SECURITY, "", 1, 1, LOGIN_SECURITY, 0},
    {LOGIN_NEW, STAGE_OPERATIONAL, "", 0, 0, LOGIN_OPERATIONAL, 0},
    {LOGIN_NEW, STAGE_OPERATIONAL, "", 1, 1, LOGIN_REFUSED, LOGIN_NOT_AUTHENTICATED},
    /* a method is still to be chosen */
    {LOGIN_SECURITY, STAGE_SECURITY, "AuthMethod=None", 0, 0, LOGIN_SECURE, 0},
    {LOGIN_SECURITY, STAGE_SECURITY, "AuthMethod=CHAP", 1, 1, LOGIN_METHOD_CHAP, 0},
    {LOGIN_SECURITY, STAGE_SECURITY, "", 1, 1, LOGIN_SECURITY, 0},
    /* CHAP */
    {LOGIN_METHOD_CHAP, STAGE_SECURITY, "CHAP_A=7,5", 1, 1, LOGIN_CHALLENGED, 0},
    {LOGIN_METHOD_CHAP, STAGE_SECURITY, "CHAP_A=9", 1, 1, LOGIN_REFUSED, LOGIN_NOT_AUTHENTICATED},
    {LOGIN_METHOD_CHAP, STAGE_SECURITY, "", 1, 1, LOGIN_REFUSED, LOGIN_NOT_AUTHENTICATED},
    {LOGIN_METHOD_CHAP, STAGE_SECURITY, "CHAP_N=user CHAP_R=0x00", 1, 1, LOGIN_REFUSED,
     LOGIN_NOT_AUTHENTICATED},
    {LOGIN_CHALLENGED, STAGE_SECURITY, "CHAP_N=user CHAP_R=0x00", 1, 1, LOGIN_REFUSED,
     LOGIN_NOT_AUTHENTICATED},
    {LOGIN_CHALLENGED, STAGE_SECURITY, "CHAP_N=user", 1, 1, LOGIN_REFUSED, LOGIN_NOT_AUTHENTICATED},
    {LOGIN_CHALLENGED, STAGE_SECURITY, "CHAP_R=0x00", 1, 1, LOGIN_REFUSED, LOGIN_NOT_AUTHENTICATED},
    {LOGIN_CHALLENGED, STAGE_SECURITY, "", 1, 1, LOGIN_REFUSED, LOGIN_NOT_AUTHENTICATED},
    /* authentic */
    {LOGIN_SECURE, STAGE_SECURITY, "", 1, 1, LOGIN_SECURE, 0},
    {LOGIN_SECURE, STAGE_SECURITY, "AuthMethod=None", 1, 1, LOGIN_REFUSED, LOGIN_INITIATOR_ERROR},
    {LOGIN_SECURE, STAGE_OPERATIONAL, "MaxBurstLength=512", 1, 1, LOGIN_OPERATIONAL, 0},
    {LOGIN_OPERATIONAL, STAGE_OPERATIONAL, "", 1, 1, LOGIN_OPERATIONAL, 0},
};

START_TEST(a_login_goes_where_the_table_says)
{
    begin(rows[_i].from, rows[_i].stage, rows[_i].text);
    if (rows[_i].has_account)
        fake.grant.account = (struct chap_account){"user", "secret12chars"};
    fake.grant.needs_chap = rows[_i].needs_chap;
    login_here->grant = fake.grant;
    ck_assert_int_eq(login_step(login_here), rows[_i].to);
    ck_assert_int_eq(login_here->state, rows[_i].to);
    if (rows[_i].to == LOGIN_REFUSED)
        ck_assert_uint_eq(login_here->refusal, rows[_i].refusal);
}
END_TEST

/* Every pair of state and stage that no row of the table above begins with. */
START_TEST(a_login_goes_nowhere_else)
{
    enum login_state state = _i / 4;
    enum login_stage stage = _i % 4;

    for (int i = 0; i < ROWS(rows); i++)
        if (rows[i].from == state && rows[i].stage == stage)
            return;
    begin(state, STAGE_SECURITY, "");
    login_here->request.current_stage = stage;
    ck_assert_int_eq(login_step(login_here), LOGIN_REFUSED);
    ck_assert_uint_eq(login_here->refusal, LOGIN_INVALID_REQUEST);
}
END_TEST

/* The T bit is granted when there is nothing left to do in the stage (RFC 7143 6.3.3). */
static const struct {
    enum login_state from;
    enum login_stage stage, next;
    const char *text;
    bool is_granted;
    enum login_state to;
} transits[] = {
    {LOGIN_NEW, STAGE_SECURITY, STAGE_OPERATIONAL, "AuthMethod=None", true, LOGIN_SECURE},
    {LOGIN_NEW, STAGE_SECURITY, STAGE_OPERATIONAL, "", true, LOGIN_SECURE},
    {LOGIN_NEW, STAGE_SECURITY, STAGE_FULL_FEATURE, "AuthMethod=None", true, LOGIN_OPENING},
    {LOGIN_NEW, STAGE_SECURITY, STAGE_OPERATIONAL, "AuthMethod=CHAP", false, LOGIN_METHOD_CHAP},
    {LOGIN_NEW, STAGE_SECURITY, STAGE_FULL_FEATURE, "AuthMethod=CHAP", false, LOGIN_METHOD_CHAP},
    {LOGIN_METHOD_CHAP, STAGE_SECURITY, STAGE_FULL_FEATURE, "CHAP_A=5", false, LOGIN_CHALLENGED},
    {LOGIN_SECURE, STAGE_SECURITY, STAGE_OPERATIONAL, "", true, LOGIN_SECURE},
    {LOGIN_SECURE, STAGE_OPERATIONAL, STAGE_FULL_FEATURE, "", true, LOGIN_OPENING},
    {LOGIN_NEW, STAGE_OPERATIONAL, STAGE_FULL_FEATURE, "", true, LOGIN_OPENING},
    {LOGIN_OPERATIONAL, STAGE_OPERATIONAL, STAGE_FULL_FEATURE, "", true, LOGIN_OPENING},
};

START_TEST(a_transit_is_granted_when_the_stage_is_done)
{
    begin(transits[_i].from, transits[_i].stage, transits[_i].text);
    if (strstr(transits[_i].text, "CHAP")) {
        fake.grant.account = (struct chap_account){"user", "secret12chars"};
        fake.grant.needs_chap = true;
    }
    login_here->request.transit = true;
    login_here->request.next_stage = transits[_i].next;
    ck_assert_int_eq(login_step(login_here), transits[_i].to);
    ck_assert_int_eq(login_here->request.transit, transits[_i].is_granted);
}
END_TEST

START_TEST(a_login_that_must_be_authentic_never_gets_through_without)
{
    begin(LOGIN_NEW, STAGE_SECURITY, "");
    fake.grant.account = (struct chap_account){"user", "secret12chars"};
    fake.grant.needs_chap = true;
    login_here->request.transit = true;
    login_here->request.next_stage = _i ? STAGE_FULL_FEATURE : STAGE_OPERATIONAL;
    ck_assert_int_eq(login_step(login_here), LOGIN_REFUSED);
    ck_assert_uint_eq(login_here->refusal, LOGIN_NOT_AUTHENTICATED);
    ck_assert_uint_eq(fake.routed_after, 0);
}
END_TEST

/* Keys of the security stage are an error in the next one; names are said once, and first. */
START_TEST(keys_have_their_stage)
{
    static const char *const security[] = {"AuthMethod", "CHAP_A", "CHAP_N",
                                           "CHAP_R",     "CHAP_I", "CHAP_C"};
    const struct text_pair pair = {security[_i], "1"};

    login_here->request.current_stage = STAGE_SECURITY;
    ck_assert_int_eq(login_take_pair(login_here, &pair), LOGIN_ACCEPTED);
    ck_assert_int_eq(login_take_pair(login_here, &pair), LOGIN_INITIATOR_ERROR);
    login_here->security = (struct login_security){0};
    login_here->request.current_stage = STAGE_OPERATIONAL;
    ck_assert_int_eq(login_take_pair(login_here, &pair), LOGIN_INITIATOR_ERROR);
}
END_TEST

START_TEST(names_are_said_once_and_in_the_first_request)
{
    static const char *const names[] = {"InitiatorName", "TargetName", "SessionType"};
    const struct text_pair pair = {names[_i], "Normal"}, empty = {names[_i], ""};
    char longest[225];
    const struct text_pair fits = {names[_i], longest + 1}, too_long = {names[_i], longest};

    memset(longest, 'n', 224);
    longest[224] = '\0';
    ck_assert_int_eq(login_take_pair(login_here, &empty), LOGIN_INITIATOR_ERROR);
    ck_assert_int_eq(login_take_pair(login_here, &too_long), LOGIN_INITIATOR_ERROR);
    ck_assert_int_eq(login_take_pair(login_here, &fits), LOGIN_ACCEPTED);
    ck_assert_int_eq(login_take_pair(login_here, &pair), LOGIN_INITIATOR_ERROR);
    free(login_here->initiator);
    free(login_here->target);
    free(login_here->session_type);
    login_here->initiator = login_here->target = login_here->session_type = NULL;
    login_here->state = LOGIN_SECURE;
    ck_assert_int_eq(login_take_pair(login_here, &pair), LOGIN_INITIATOR_ERROR);
}
END_TEST

START_TEST(unknown_keys_are_not_understood)
{
    const struct text_pair offer = {"X-com.example.a", "1"};
    const struct text_pair answer = {"X-com.example.a", "NotUnderstood"};

    ck_assert_int_eq(login_take_pair(login_here, &answer), LOGIN_ACCEPTED);
    ck_assert_uint_eq(login_here->answer.length, 0);
    ck_assert_int_eq(login_take_pair(login_here, &offer), LOGIN_ACCEPTED);
    ck_assert_str_eq(buffer_content(&login_here->answer), "X-com.example.a=NotUnderstood");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("login steps");
    TCase *tests = tcase_create("login steps");

    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_loop_test(tests, a_login_goes_where_the_table_says, 0, ROWS(rows));
    tcase_add_loop_test(tests, a_login_goes_nowhere_else, 0, LOGIN_STATES * 4);
    tcase_add_loop_test(tests, a_transit_is_granted_when_the_stage_is_done, 0, ROWS(transits));
    tcase_add_loop_test(tests, a_login_that_must_be_authentic_never_gets_through_without, 0, 2);
    tcase_add_loop_test(tests, keys_have_their_stage, 0, 6);
    tcase_add_loop_test(tests, names_are_said_once_and_in_the_first_request, 0, 3);
    tcase_add_test(tests, unknown_keys_are_not_understood);
    suite_add_tcase(suite, tests);
    return unit_run(suite);
}
