/* The names that fault rules may say are those of the tables they stand for. */
#include "target/base/fault.h"
#include "target/iscsi/pdu.h"
#include "target/scsi/command.h"
#include "tests/unit/unit.h"

START_TEST(every_command_can_be_named)
{
    for (size_t i = 0; i < scsi_command_count; i++) {
        const struct scsi_command *row = &scsi_commands[i];
        int action =
            row->flags & SERVICE_ACTION ? row->usage[1] & COMMAND_ACTION_BITS : FAULT_ANY_ACTION;

        ck_assert_msg(fault_number_of(fault_commands, row->name) == (row->usage[0] | action << 8),
                      "%s", row->name);
    }
}
END_TEST

static const struct {
    const char *name;
    enum opcode opcode;
} pdus[] = {
    {"NOP-Out", OP_NOP_OUT},
    {"SCSI Command", OP_SCSI_COMMAND},
    {"Task Request", OP_TASK_REQUEST},
    {"Login Request", OP_LOGIN_REQUEST},
    {"Text Request", OP_TEXT_REQUEST},
    {"Data-Out", OP_DATA_OUT},
    {"Logout Request", OP_LOGOUT_REQUEST},
    {"SNACK", OP_SNACK},
    {"NOP-In", OP_NOP_IN},
    {"SCSI Response", OP_SCSI_RESPONSE},
    {"Task Response", OP_TASK_RESPONSE},
    {"Login Response", OP_LOGIN_RESPONSE},
    {"Text Response", OP_TEXT_RESPONSE},
    {"Data-In", OP_DATA_IN},
    {"Logout Response", OP_LOGOUT_RESPONSE},
    {"R2T", OP_R2T},
    {"Async Message", OP_ASYNC_MESSAGE},
    {"Reject", OP_REJECT},
};

START_TEST(every_pdu_can_be_named)
{
    ck_assert_int_eq(fault_number_of(fault_pdus, pdus[_i].name), pdus[_i].opcode);
    ck_assert_str_eq(fault_name_of(fault_pdus, pdus[_i].opcode), pdus[_i].name);
}
END_TEST

static const char *const spellings[] = {"SCSI Command", "scsi_command", "SCSI-Command",
                                        "scsicommand"};

START_TEST(case_and_blanks_do_not_matter)
{
    ck_assert_int_eq(fault_number_of(fault_pdus, spellings[_i]), OP_SCSI_COMMAND);
    ck_assert_int_eq(fault_number_of(fault_pdus, "SCSI"), -1);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("fault_names");
    TCase *tests = tcase_create("fault_names");

    tcase_add_test(tests, every_command_can_be_named);
    tcase_add_loop_test(tests, every_pdu_can_be_named, 0, ROWS(pdus));
    tcase_add_loop_test(tests, case_and_blanks_do_not_matter, 0, ROWS(spellings));
    suite_add_tcase(suite, tests);
    return unit_run(suite);
}
