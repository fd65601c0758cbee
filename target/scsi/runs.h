/* The functions of the command table's rows, by the module they are in. */
#pragma once

#include "target/scsi/task.h"

/* read_write.c */
scsi_step run_read;
scsi_step run_write;
scsi_step run_synchronize_cache;
scsi_step run_prefetch;

/* basic.c */
scsi_step run_test_unit_ready;
scsi_step run_request_sense;
scsi_step run_read_capacity10;
scsi_step run_read_capacity16;
scsi_step run_report_luns;

/* medium.c */
scsi_step run_start_stop_unit;
scsi_step run_load_or_eject;
scsi_step run_prevent_allow;
scsi_step run_read_defect_data;

/* atomic.c */
scsi_step run_compare_and_write;
scsi_step run_write_atomic;
scsi_step run_orwrite;

/* sanitize.c, sanitize_commands.c */
scsi_step run_format_unit;
scsi_step run_sanitize_overwrite;
scsi_step run_sanitize_block_erase;
scsi_step run_sanitize_crypto_erase;
scsi_step run_sanitize_exit_failure;

/* inquiry.c */
scsi_step run_inquiry;

/* mode_sense.c, mode_select.c */
scsi_step run_mode_sense;
scsi_step run_mode_select;

/* log.c */
scsi_step run_log_sense;
scsi_step run_log_select;

/* alua.c */
scsi_step run_report_port_groups;
scsi_step run_set_port_groups;

/* diagnostic.c */
scsi_step run_send_diagnostic;
scsi_step run_receive_diagnostic;

/* identify.c */
scsi_step run_report_identity;
scsi_step run_set_identity;
scsi_step run_report_timestamp;

/* verify.c */
scsi_step run_verify;
scsi_step run_write_and_verify;

/* thin.c */
scsi_step run_unmap;
scsi_step run_write_same;
scsi_step run_get_lba_status;

/* reserve.c: SPC-2 */
scsi_step run_reserve;
scsi_step run_release;

/* persistent_in.c */
scsi_step run_read_keys;
scsi_step run_read_reservation;
scsi_step run_report_capabilities;
scsi_step run_read_full_status;

/* persistent_out.c */
scsi_step run_persistent_reserve_out;

/* opcodes.c */
scsi_step run_report_opcodes;
scsi_step run_report_task_functions;

/* extended_copy.c */
scsi_step run_extended_copy;

/* populate_token.c */
scsi_step run_populate_token;

/* write_using_token.c */
scsi_step run_write_using_token;

/* copy_list.c */
scsi_step run_receive_copy_status1;
scsi_step run_receive_copy_status4;
scsi_step run_receive_copy_failure;
scsi_step run_receive_copy_parameters;
scsi_step run_receive_token;
scsi_step run_copy_abort;
