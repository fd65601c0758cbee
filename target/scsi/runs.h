/* The functions of the command table's rows, by the module they are in. */
#pragma once

#include "target/scsi/task.h"

/* read_write.c */
scsi_step run_read;
scsi_step run_write;
scsi_step run_synchronize_cache;

/* basic.c */
scsi_step run_test_unit_ready;
scsi_step run_request_sense;
scsi_step run_read_capacity10;
scsi_step run_read_capacity16;
scsi_step run_report_luns;

/* inquiry.c */
scsi_step run_inquiry;

/* mode.c */
scsi_step run_mode_sense;
