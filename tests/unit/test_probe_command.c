/* Which statuses a host retries. */
#include <check.h>
#include <iscsi/iscsi.h>
#include <iscsi/scsi-lowlevel.h>
#include <stdlib.h>

#include "sim-cluster/probe_command.h"

static const struct {
    int status;
    enum scsi_sense_key key;
    int ascq;
    enum probe_outcome outcome;
} statuses[] = {
    {SCSI_STATUS_GOOD, 0, 0, OUTCOME_DONE},
    {SCSI_STATUS_BUSY, 0, 0, OUTCOME_BUSY},
    {SCSI_STATUS_TASK_SET_FULL, 0, 0, OUTCOME_BUSY},
    {SCSI_STATUS_TASK_ABORTED, 0, 0, OUTCOME_BUSY},
    {SCSI_STATUS_RESERVATION_CONFLICT, 0, 0, OUTCOME_FAILED},
    {SCSI_STATUS_CANCELLED, 0, 0, OUTCOME_LOST},
    {SCSI_STATUS_ERROR, 0, 0, OUTCOME_LOST},
    {SCSI_STATUS_CHECK_CONDITION, SCSI_SENSE_UNIT_ATTENTION, 0x2900, OUTCOME_AGAIN},
    {SCSI_STATUS_CHECK_CONDITION, SCSI_SENSE_NOT_READY, 0x0401, OUTCOME_BUSY},
    {SCSI_STATUS_CHECK_CONDITION, SCSI_SENSE_NOT_READY, 0x3a00, OUTCOME_FAILED},
    {SCSI_STATUS_CHECK_CONDITION, SCSI_SENSE_COMMAND_ABORTED, 0x4705, OUTCOME_BUSY},
    {SCSI_STATUS_CHECK_CONDITION, SCSI_SENSE_MEDIUM_ERROR, 0x1100, OUTCOME_FAILED},
    {SCSI_STATUS_CHECK_CONDITION, SCSI_SENSE_ILLEGAL_REQUEST, 0x2100, OUTCOME_FAILED},
};

START_TEST(a_status_has_an_outcome)
{
    struct scsi_task task = {.sense = {.key = statuses[_i].key, .ascq = statuses[_i].ascq}};
    char why[PROBE_WHY_SIZE] = "";

    task.residual_status = SCSI_RESIDUAL_NO_RESIDUAL;
    ck_assert_int_eq(probe_command_judge(statuses[_i].status, &task, why, sizeof why),
                     statuses[_i].outcome);
    if (statuses[_i].outcome == OUTCOME_FAILED)
        ck_assert_str_ne(why, "");
}
END_TEST

START_TEST(a_read_that_came_short_has_failed)
{
    struct scsi_task task = {.residual_status = SCSI_RESIDUAL_UNDERFLOW, .residual = 512};
    char why[PROBE_WHY_SIZE] = "";

    ck_assert_int_eq(probe_command_judge(SCSI_STATUS_GOOD, &task, why, sizeof why), OUTCOME_FAILED);
    ck_assert_str_eq(why, "GOOD status, but 512 bytes of residual");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("probe_command");
    TCase *tests = tcase_create("outcomes");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_loop_test(tests, a_status_has_an_outcome, 0, sizeof statuses / sizeof statuses[0]);
    tcase_add_test(tests, a_read_that_came_short_has_failed);
    suite_add_tcase(suite, tests);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
