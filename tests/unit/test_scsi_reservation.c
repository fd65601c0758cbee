#include "target/scsi/reservation.h"
#include "target/scsi/result.h"
#include "tests/unit/unit.h"

#include <string.h>

/* Three hosts; the first one has two ports. */
enum who { A, A2, B, C };
static const struct {
    const char *initiator_port;
    uint16_t port;
    uint64_t key;
} hosts[] = {
    [A] = {"iqn.host:a,i,0x400001370000", 1, 0xa},
    [A2] = {"iqn.host:a,i,0x400001370001", 2, 0xa},
    [B] = {"iqn.host:b,i,0x400001370000", 1, 0xb},
    [C] = {"iqn.host:c,i,0x400001370000", 1, 0xc},
};

static const enum reservation_type types[] = {
    RESERVATION_WRITE_EXCLUSIVE,
    RESERVATION_EXCLUSIVE_ACCESS,
    RESERVATION_WRITE_EXCLUSIVE_REGISTRANTS,
    RESERVATION_EXCLUSIVE_ACCESS_REGISTRANTS,
    RESERVATION_WRITE_EXCLUSIVE_ALL,
    RESERVATION_EXCLUSIVE_ACCESS_ALL,
};

static struct reservations *state;  /* in force */
static struct reservations *marked; /* as the last action left it */

static void set_up(void)
{
    state = reservations_new();
    marked = NULL;
}

static void tear_down(void)
{
    free(state);
    free(marked);
}

static uint32_t request(struct reservation_request what, enum who who)
{
    struct reservations *after = NULL;
    uint32_t result;

    what.initiator_port = hosts[who].initiator_port;
    what.port = hosts[who].port;
    if (!what.ports) {
        what.ports = &hosts[who].port;
        what.port_count = 1;
    }
    result = reservations_act(state, &what, &after);
    if (result)
        return result;
    free(marked);
    marked = after;
    free(state);
    state = reservations_decode(NULL);
    state = realloc(state, sizeof *state + after->count * sizeof after->registrations[0]);
    memcpy(state, after, sizeof *state + after->count * sizeof after->registrations[0]);
    reservations_forget_marks(state);
    return SCSI_GOOD;
}

/* With the key of the host. */
static uint32_t act(enum reservation_action action, enum who who, uint64_t service_key,
                    unsigned type)
{
    return request((struct reservation_request){.action = action,
                                                .key = hosts[who].key,
                                                .service_key = service_key,
                                                .type = (uint8_t)type},
                   who);
}

static uint32_t register_key(enum who who, uint64_t key, uint64_t service_key)
{
    return request((struct reservation_request){.action = RESERVATION_REGISTER,
                                                .key = key,
                                                .service_key = service_key},
                   who);
}

static void register_hosts(void)
{
    for (enum who who = A; who <= C; who++)
        ck_assert_uint_eq(register_key(who, 0, hosts[who].key), SCSI_GOOD);
}

static const struct registration *find(enum who who)
{
    return reservations_find(state, hosts[who].initiator_port, hosts[who].port);
}

static bool is_holder(enum who who)
{
    return state->type && find(who) && reservations_is_holder(state, find(who));
}

/* What the last action told a host. */
static uint32_t notice(enum who who)
{
    for (size_t i = 0; i < marked->count; i++)
        if (marked->registrations[i].port == hosts[who].port &&
            !strcmp(marked->registrations[i].initiator_port, hosts[who].initiator_port))
            return marked->registrations[i].notice;
    return SCSI_GOOD;
}

/* SPC-4, tables of the register service actions, for a host that is registered with 0xa or not. */
static const struct {
    enum reservation_action action;
    bool is_registered;
    uint64_t key, service_key;
    uint32_t result;
    uint64_t then; /* its key afterwards; 0: not registered */
} registers[] = {
    {RESERVATION_REGISTER, false, 0, 0, SCSI_GOOD, 0},
    {RESERVATION_REGISTER, false, 0, 0xa, SCSI_GOOD, 0xa},
    {RESERVATION_REGISTER, false, 0xa, 0xa, SCSI_RESERVATION_CONFLICT, 0},
    {RESERVATION_REGISTER, true, 0, 0xd, SCSI_RESERVATION_CONFLICT, 0xa},
    {RESERVATION_REGISTER, true, 0xd, 0, SCSI_RESERVATION_CONFLICT, 0xa},
    {RESERVATION_REGISTER, true, 0xa, 0, SCSI_GOOD, 0},
    {RESERVATION_REGISTER, true, 0xa, 0xd, SCSI_GOOD, 0xd},
    {RESERVATION_REGISTER_AND_IGNORE, false, 0xf, 0, SCSI_GOOD, 0},
    {RESERVATION_REGISTER_AND_IGNORE, false, 0xf, 0xa, SCSI_GOOD, 0xa},
    {RESERVATION_REGISTER_AND_IGNORE, true, 0xf, 0, SCSI_GOOD, 0},
    {RESERVATION_REGISTER_AND_IGNORE, true, 0xf, 0xd, SCSI_GOOD, 0xd},
};

START_TEST(registers_as_the_table_says)
{
    if (registers[_i].is_registered)
        ck_assert_uint_eq(register_key(A, 0, 0xa), SCSI_GOOD);
    uint32_t generation = state->generation;

    ck_assert_uint_eq(
        request((struct reservation_request){.action = registers[_i].action,
                                             .key = registers[_i].key,
                                             .service_key = registers[_i].service_key},
                A),
        registers[_i].result);
    ck_assert_uint_eq(find(A) ? find(A)->key : 0, registers[_i].then);
    ck_assert_uint_eq(state->generation, generation + (registers[_i].result == SCSI_GOOD));
}
END_TEST

static const enum reservation_action others[] = {
    RESERVATION_RESERVE, RESERVATION_RELEASE,           RESERVATION_CLEAR,
    RESERVATION_PREEMPT, RESERVATION_PREEMPT_AND_ABORT, RESERVATION_REGISTER_AND_MOVE,
};

START_TEST(everything_else_takes_a_registration_and_its_key)
{
    register_key(B, 0, 0xb);
    ck_assert_uint_eq(act(others[_i], A, 0xb, 1), SCSI_RESERVATION_CONFLICT);
    register_key(A, 0, 0xd);
    ck_assert_uint_eq(act(others[_i], A, 0xb, 1), SCSI_RESERVATION_CONFLICT);
    ck_assert_uint_eq(state->count, 2);
}
END_TEST

START_TEST(a_reservation_keeps_the_others_from_reserving)
{
    register_hosts();
    ck_assert_uint_eq(act(RESERVATION_RESERVE, A, 0, types[_i]), SCSI_GOOD);
    ck_assert(is_holder(A));
    ck_assert_uint_eq(act(RESERVATION_RESERVE, A, 0, types[_i]), SCSI_GOOD);
    ck_assert_uint_eq(act(RESERVATION_RESERVE, A, 0, types[_i] == 1 ? 3 : 1),
                      SCSI_RESERVATION_CONFLICT);
    ck_assert_uint_eq(act(RESERVATION_RESERVE, B, 0, types[_i]),
                      is_holder(B) ? SCSI_GOOD : SCSI_RESERVATION_CONFLICT);
    ck_assert_int_eq(is_holder(B), reservation_is_held_by_all(types[_i]));
    ck_assert_uint_eq(reservations_holder_key(state), is_holder(B) ? 0 : 0xa);
    ck_assert_uint_eq(state->generation, 4); /* of the registrations */
}
END_TEST

START_TEST(only_the_types_of_the_standard_can_be_reserved)
{
    register_hosts();
    ck_assert_uint_eq(act(RESERVATION_RESERVE, A, 0, (unsigned)_i),
                      reservation_is_type((unsigned)_i) ? SCSI_GOOD : SCSI_INVALID_FIELD_IN_CDB);
    ck_assert_uint_eq(reservation_is_type((unsigned)_i), _i == 1 || _i == 3 || (_i >= 5 && _i < 9));
}
END_TEST

START_TEST(a_release_ends_it_and_tells_those_who_had_access)
{
    uint32_t told = types[_i] >= 5 ? SCSI_RESERVATIONS_RELEASED : SCSI_GOOD;

    register_hosts();
    ck_assert_uint_eq(act(RESERVATION_RELEASE, A, 0, types[_i]), SCSI_GOOD);
    act(RESERVATION_RESERVE, A, 0, types[_i]);
    ck_assert_uint_eq(act(RESERVATION_RELEASE, A, 0, types[_i] == 1 ? 3 : 1), SCSI_INVALID_RELEASE);
    if (!is_holder(B)) {
        ck_assert_uint_eq(act(RESERVATION_RELEASE, B, 0, types[_i]), SCSI_GOOD);
        ck_assert_uint_eq(state->type, types[_i]);
    }
    ck_assert_uint_eq(act(RESERVATION_RELEASE, A, 0, types[_i]), SCSI_GOOD);
    ck_assert_uint_eq(state->type, RESERVATION_NONE);
    ck_assert_uint_eq(notice(A), SCSI_GOOD);
    ck_assert_uint_eq(notice(A2), told);
    ck_assert_uint_eq(notice(B), told);
    ck_assert_uint_eq(state->generation, 4);
}
END_TEST

START_TEST(it_ends_with_its_holders_registration)
{
    register_hosts();
    act(RESERVATION_RESERVE, A, 0, types[_i]);
    ck_assert_uint_eq(register_key(A, 0xa, 0), SCSI_GOOD);
    if (reservation_is_held_by_all(types[_i])) {
        ck_assert_uint_eq(state->type, types[_i]);
        register_key(A2, 0xa, 0);
        register_key(B, 0xb, 0);
        ck_assert_uint_eq(state->type, types[_i]);
        register_key(C, 0xc, 0);
    } else {
        ck_assert_uint_eq(notice(B), types[_i] >= 5 ? SCSI_RESERVATIONS_RELEASED : SCSI_GOOD);
    }
    ck_assert_uint_eq(state->type, RESERVATION_NONE);
}
END_TEST

START_TEST(clear_ends_everything_and_tells_the_others)
{
    register_hosts();
    act(RESERVATION_RESERVE, A, 0, types[_i]);
    ck_assert_uint_eq(act(RESERVATION_CLEAR, B, 0, 0), SCSI_GOOD);
    ck_assert_uint_eq(state->count, 0);
    ck_assert_uint_eq(state->type, RESERVATION_NONE);
    ck_assert_uint_eq(notice(A), SCSI_RESERVATIONS_PREEMPTED);
    ck_assert_uint_eq(notice(B), SCSI_GOOD);
    ck_assert_uint_eq(notice(C), SCSI_RESERVATIONS_PREEMPTED);
    ck_assert_uint_eq(state->generation, 5);
}
END_TEST

START_TEST(who_preempts_the_holder_takes_its_place)
{
    bool is_all = reservation_is_held_by_all(types[_i]);

    register_hosts();
    act(RESERVATION_RESERVE, A, 0, types[_i]);
    ck_assert_uint_eq(act(RESERVATION_PREEMPT, B, is_all ? 0 : 0xa, types[_i]), SCSI_GOOD);
    ck_assert_uint_eq(state->type, types[_i]);
    ck_assert(is_holder(B));
    ck_assert_ptr_null(find(A));
    ck_assert_ptr_null(find(A2)); /* same key */
    ck_assert_uint_eq(notice(A), SCSI_REGISTRATIONS_PREEMPTED);
    ck_assert_uint_eq(notice(A2), SCSI_REGISTRATIONS_PREEMPTED);
    ck_assert_uint_eq(notice(B), SCSI_GOOD);
    ck_assert_uint_eq(notice(C), is_all ? SCSI_REGISTRATIONS_PREEMPTED : SCSI_GOOD);
    ck_assert_int_eq(find(C) != NULL, !is_all);
    ck_assert_uint_eq(state->generation, 5);
}
END_TEST

START_TEST(a_preemption_to_another_type_tells_who_stays)
{
    bool is_all = reservation_is_held_by_all(types[_i]);

    register_hosts();
    act(RESERVATION_RESERVE, A, 0, types[_i]);
    ck_assert_uint_eq(act(RESERVATION_PREEMPT, B, is_all ? 0 : 0xa, types[(_i + 1) % 6]),
                      SCSI_GOOD);
    ck_assert_uint_eq(state->type, types[(_i + 1) % 6]);
    ck_assert_uint_eq(notice(C),
                      is_all ? SCSI_REGISTRATIONS_PREEMPTED : SCSI_RESERVATIONS_RELEASED);
}
END_TEST

START_TEST(preempting_another_key_only_removes_registrations)
{
    register_hosts();
    act(RESERVATION_RESERVE, A, 0, types[_i]);
    ck_assert_uint_eq(act(RESERVATION_PREEMPT, B, 0xc, 2), SCSI_GOOD);
    ck_assert_uint_eq(state->type, types[_i]);
    ck_assert(is_holder(A));
    ck_assert_ptr_null(find(C));
    ck_assert_uint_eq(notice(C), SCSI_REGISTRATIONS_PREEMPTED);
    ck_assert_uint_eq(notice(A), SCSI_GOOD);
    ck_assert_uint_eq(act(RESERVATION_PREEMPT, B, 0xc, types[_i]), SCSI_RESERVATION_CONFLICT);
}
END_TEST

START_TEST(key_zero_preempts_only_what_all_hold)
{
    register_hosts();
    ck_assert_uint_eq(act(RESERVATION_PREEMPT, B, 0, types[_i]), SCSI_INVALID_FIELD_IN_LIST);
    act(RESERVATION_RESERVE, A, 0, types[_i]);
    ck_assert_uint_eq(act(RESERVATION_PREEMPT, B, 0, types[_i]),
                      types[_i] >= 7 ? SCSI_GOOD : SCSI_INVALID_FIELD_IN_LIST);
}
END_TEST

START_TEST(who_takes_over_needs_a_type_of_the_standard)
{
    register_hosts();
    act(RESERVATION_RESERVE, A, 0, RESERVATION_EXCLUSIVE_ACCESS);
    ck_assert_uint_eq(act(RESERVATION_PREEMPT, B, 0xa, 2), SCSI_INVALID_FIELD_IN_CDB);
    ck_assert(is_holder(A));
}
END_TEST

START_TEST(a_host_preempts_its_own_other_path)
{
    register_hosts();
    act(RESERVATION_RESERVE, A, 0, RESERVATION_WRITE_EXCLUSIVE_REGISTRANTS);
    ck_assert_uint_eq(act(RESERVATION_PREEMPT, A2, 0xa, RESERVATION_WRITE_EXCLUSIVE_REGISTRANTS),
                      SCSI_GOOD);
    ck_assert(is_holder(A2));
    ck_assert_ptr_null(find(A));
    ck_assert_uint_eq(notice(A2), SCSI_GOOD);
    ck_assert_uint_eq(notice(B), SCSI_GOOD);
}
END_TEST

START_TEST(a_reservation_moves_with_register_and_move)
{
    struct reservation_request move = {.action = RESERVATION_REGISTER_AND_MOVE,
                                       .key = 0xa,
                                       .service_key = 0xd,
                                       .ports = (const uint16_t[]){7},
                                       .port_count = 1,
                                       .others =
                                           (const char[][INITIATOR_PORT_SIZE]){"iqn.host:d,i,0x1"},
                                       .other_count = 1,
                                       .unregisters = _i};

    register_hosts();
    ck_assert_uint_eq(request(move, A), SCSI_INVALID_FIELD_IN_CDB);
    act(RESERVATION_RESERVE, A, 0, RESERVATION_WRITE_EXCLUSIVE_ALL);
    ck_assert_uint_eq(request(move, A), SCSI_RESERVATION_CONFLICT);
    act(RESERVATION_RELEASE, A, 0, RESERVATION_WRITE_EXCLUSIVE_ALL);
    act(RESERVATION_RESERVE, B, 0, RESERVATION_WRITE_EXCLUSIVE);
    ck_assert_uint_eq(request(move, A), SCSI_INVALID_FIELD_IN_CDB);
    act(RESERVATION_RELEASE, B, 0, RESERVATION_WRITE_EXCLUSIVE);
    act(RESERVATION_RESERVE, A, 0, RESERVATION_WRITE_EXCLUSIVE);
    move.service_key = 0;
    ck_assert_uint_eq(request(move, A), SCSI_INVALID_FIELD_IN_LIST);
    move.service_key = 0xd;
    ck_assert_uint_eq(request(move, A), SCSI_GOOD);

    ck_assert_uint_eq(state->type, RESERVATION_WRITE_EXCLUSIVE);
    ck_assert_uint_eq(reservations_holder_key(state), 0xd);
    ck_assert_ptr_nonnull(reservations_find(state, "iqn.host:d,i,0x1", 7));
    ck_assert_int_eq(find(A) == NULL, _i);
    ck_assert_uint_eq(state->generation, 5);
}
END_TEST

START_TEST(others_and_all_ports_register_with_one_request)
{
    static const uint16_t ports[] = {1, 2};
    static const char names[][INITIATOR_PORT_SIZE] = {"iqn.host:d,i,0x1", "iqn.host:e,i,0x1"};
    struct reservation_request all = {.action = RESERVATION_REGISTER,
                                      .service_key = 0xd,
                                      .ports = ports,
                                      .port_count = 2,
                                      .others = names,
                                      .other_count = 2};

    ck_assert_uint_eq(request(all, A), SCSI_GOOD);
    ck_assert_uint_eq(state->count, 6);
    ck_assert_uint_eq(reservations_find(state, names[1], 2)->key, 0xd);
    all.key = 0xd;
    ck_assert_uint_eq(request(all, A), SCSI_INVALID_FIELD_IN_CDB); /* it is registered */
    all.other_count = 0;
    all.service_key = 0;
    ck_assert_uint_eq(request(all, A), SCSI_GOOD);
    ck_assert_uint_eq(state->count, 4);
}
END_TEST

START_TEST(names_of_ports_do_not_depend_on_case)
{
    register_hosts();
    ck_assert_ptr_nonnull(reservations_find(state, "IQN.HOST:A,i,0X400001370000", 1));
    ck_assert_ptr_null(reservations_find(state, hosts[A].initiator_port, 2));
}
END_TEST

START_TEST(there_is_an_end_to_registrations)
{
    char names[REGISTRATIONS_MAXIMUM][INITIATOR_PORT_SIZE];
    struct reservation_request many = {.action = RESERVATION_REGISTER,
                                       .service_key = 0xd,
                                       .others = (const char(*)[INITIATOR_PORT_SIZE])names,
                                       .other_count = REGISTRATIONS_MAXIMUM};

    for (int i = 0; i < REGISTRATIONS_MAXIMUM; i++)
        snprintf(names[i], sizeof names[i], "iqn.host:%d,i,0x1", i);
    ck_assert_uint_eq(request(many, A), SCSI_REGISTRATIONS_EXHAUSTED);
    ck_assert_uint_eq(state->count, 0);
    many.other_count--;
    ck_assert_uint_eq(request(many, A), SCSI_GOOD);
    ck_assert_uint_eq(register_key(B, 0, 0xb), SCSI_REGISTRATIONS_EXHAUSTED);
}
END_TEST

START_TEST(what_is_kept_is_what_was)
{
    json_t *json;

    register_hosts();
    register_key(B, 0xb, 0xffffffffffffffff);
    act(RESERVATION_RESERVE, A, 0, types[_i]);
    json = reservations_encode(state);
    free(state);
    state = reservations_decode(json);
    json_decref(json);
    ck_assert_uint_eq(state->count, 4);
    ck_assert_uint_eq(state->type, types[_i]);
    ck_assert(is_holder(A));
    ck_assert_int_eq(is_holder(C), types[_i] >= 7);
    ck_assert_uint_eq(find(B)->key, 0xffffffffffffffff);
    ck_assert_uint_eq(state->generation, 5);
}
END_TEST

static const char *const bad_states[] = {
    "null",
    "[]",
    "{}",
    "{\"registrations\": 7, \"type\": 5}",
    "{\"registrations\": [7, {}, {\"initiator_port\": 1}], \"type\": 99, \"generation\": \"x\"}",
    "{\"type\": 5, \"registrations\": []}",
};

START_TEST(what_cannot_be_read_is_nothing)
{
    json_t *json = json_loads(bad_states[_i], JSON_DECODE_ANY, NULL);
    struct reservations *decoded = reservations_decode(json);

    ck_assert_uint_eq(decoded->count, 0);
    ck_assert_uint_eq(decoded->type, RESERVATION_NONE);
    free(decoded);
    json_decref(json);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("reservation");
    TCase *tests = tcase_create("reservation");

    suite_add_tcase(suite, tests);
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_loop_test(tests, registers_as_the_table_says, 0, ROWS(registers));
    tcase_add_loop_test(tests, everything_else_takes_a_registration_and_its_key, 0, ROWS(others));
    tcase_add_loop_test(tests, a_reservation_keeps_the_others_from_reserving, 0, ROWS(types));
    tcase_add_loop_test(tests, only_the_types_of_the_standard_can_be_reserved, 0, 16);
    tcase_add_loop_test(tests, a_release_ends_it_and_tells_those_who_had_access, 0, ROWS(types));
    tcase_add_loop_test(tests, it_ends_with_its_holders_registration, 0, ROWS(types));
    tcase_add_loop_test(tests, clear_ends_everything_and_tells_the_others, 0, ROWS(types));
    tcase_add_loop_test(tests, who_preempts_the_holder_takes_its_place, 0, ROWS(types));
    tcase_add_loop_test(tests, a_preemption_to_another_type_tells_who_stays, 0, ROWS(types));
    tcase_add_loop_test(tests, preempting_another_key_only_removes_registrations, 0, ROWS(types));
    tcase_add_loop_test(tests, key_zero_preempts_only_what_all_hold, 0, ROWS(types));
    tcase_add_test(tests, who_takes_over_needs_a_type_of_the_standard);
    tcase_add_test(tests, a_host_preempts_its_own_other_path);
    tcase_add_loop_test(tests, a_reservation_moves_with_register_and_move, 0, 2);
    tcase_add_test(tests, others_and_all_ports_register_with_one_request);
    tcase_add_test(tests, names_of_ports_do_not_depend_on_case);
    tcase_add_test(tests, there_is_an_end_to_registrations);
    tcase_add_loop_test(tests, what_is_kept_is_what_was, 0, ROWS(types));
    tcase_add_loop_test(tests, what_cannot_be_read_is_nothing, 0, ROWS(bad_states));
    return unit_run(suite);
}
