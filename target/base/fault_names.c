/* Names that rules may say instead of numbers. */
#include "target/base/fault.h"

#include <ctype.h>

const struct fault_name fault_pdus[] = {
    {"NOP-Out", 0x00},
    {"SCSI Command", 0x01},
    {"Task Request", 0x02},
    {"Login Request", 0x03},
    {"Text Request", 0x04},
    {"Data-Out", 0x05},
    {"Logout Request", 0x06},
    {"SNACK", 0x10},
    {"NOP-In", 0x20},
    {"SCSI Response", 0x21},
    {"Task Response", 0x22},
    {"Login Response", 0x23},
    {"Text Response", 0x24},
    {"Data-In", 0x25},
    {"Logout Response", 0x26},
    {"R2T", 0x31},
    {"Async Message", 0x32},
    {"Reject", 0x3f},
    {NULL, 0},
};

/* opcode | service action << 8; 0xff: any. The last ones are families. */
const struct fault_name fault_commands[] = {
    {"TEST UNIT READY", 0xff00},
    {"REQUEST SENSE", 0xff03},
    {"FORMAT UNIT", 0xff04},
    {"READ(6)", 0xff08},
    {"WRITE(6)", 0xff0a},
    {"INQUIRY", 0xff12},
    {"MODE SELECT(6)", 0xff15},
    {"RESERVE(6)", 0xff16},
    {"RELEASE(6)", 0xff17},
    {"MODE SENSE(6)", 0xff1a},
    {"START STOP UNIT", 0xff1b},
    {"RECEIVE DIAGNOSTIC RESULTS", 0xff1c},
    {"SEND DIAGNOSTIC", 0xff1d},
    {"PREVENT ALLOW MEDIUM REMOVAL", 0xff1e},
    {"READ CAPACITY(10)", 0xff25},
    {"READ(10)", 0xff28},
    {"WRITE(10)", 0xff2a},
    {"WRITE AND VERIFY(10)", 0xff2e},
    {"VERIFY(10)", 0xff2f},
    {"PRE-FETCH(10)", 0xff34},
    {"SYNCHRONIZE CACHE(10)", 0xff35},
    {"READ DEFECT DATA(10)", 0xff37},
    {"WRITE SAME(10)", 0xff41},
    {"UNMAP", 0xff42},
    {"SANITIZE OVERWRITE", 0x0148},
    {"SANITIZE BLOCK ERASE", 0x0248},
    {"SANITIZE CRYPTO ERASE", 0x0348},
    {"SANITIZE EXIT FAILURE MODE", 0x1f48},
    {"LOG SELECT", 0xff4c},
    {"LOG SENSE", 0xff4d},
    {"MODE SELECT(10)", 0xff55},
    {"RESERVE(10)", 0xff56},
    {"RELEASE(10)", 0xff57},
    {"MODE SENSE(10)", 0xff5a},
    {"PERSISTENT RESERVE IN READ KEYS", 0x005e},
    {"PERSISTENT RESERVE IN READ RESERVATION", 0x015e},
    {"PERSISTENT RESERVE IN REPORT CAPABILITIES", 0x025e},
    {"PERSISTENT RESERVE IN READ FULL STATUS", 0x035e},
    {"PERSISTENT RESERVE OUT REGISTER", 0x005f},
    {"PERSISTENT RESERVE OUT RESERVE", 0x015f},
    {"PERSISTENT RESERVE OUT RELEASE", 0x025f},
    {"PERSISTENT RESERVE OUT CLEAR", 0x035f},
    {"PERSISTENT RESERVE OUT PREEMPT", 0x045f},
    {"PERSISTENT RESERVE OUT PREEMPT AND ABORT", 0x055f},
    {"PERSISTENT RESERVE OUT REGISTER AND IGNORE EXISTING KEY", 0x065f},
    {"PERSISTENT RESERVE OUT REGISTER AND MOVE", 0x075f},
    {"EXTENDED COPY(LID1)", 0x0083},
    {"EXTENDED COPY(LID4)", 0x0183},
    {"POPULATE TOKEN", 0x1083},
    {"WRITE USING TOKEN", 0x1183},
    {"COPY OPERATION ABORT", 0x1c83},
    {"RECEIVE COPY STATUS(LID1)", 0x0084},
    {"RECEIVE COPY OPERATING PARAMETERS", 0x0384},
    {"RECEIVE COPY FAILURE DETAILS(LID1)", 0x0484},
    {"RECEIVE COPY STATUS(LID4)", 0x0584},
    {"RECEIVE ROD TOKEN INFORMATION", 0x0784},
    {"READ(16)", 0xff88},
    {"COMPARE AND WRITE", 0xff89},
    {"WRITE(16)", 0xff8a},
    {"ORWRITE(16)", 0xff8b},
    {"WRITE AND VERIFY(16)", 0xff8e},
    {"VERIFY(16)", 0xff8f},
    {"PRE-FETCH(16)", 0xff90},
    {"SYNCHRONIZE CACHE(16)", 0xff91},
    {"WRITE SAME(16)", 0xff93},
    {"WRITE ATOMIC(16)", 0xff9c},
    {"READ CAPACITY(16)", 0x109e},
    {"GET LBA STATUS", 0x129e},
    {"REPORT LUNS", 0xffa0},
    {"REPORT IDENTIFYING INFORMATION", 0x05a3},
    {"REPORT TARGET PORT GROUPS", 0x0aa3},
    {"REPORT SUPPORTED OPERATION CODES", 0x0ca3},
    {"REPORT SUPPORTED TASK MANAGEMENT FUNCTIONS", 0x0da3},
    {"REPORT TIMESTAMP", 0x0fa3},
    {"SET IDENTIFYING INFORMATION", 0x06a4},
    {"SET TARGET PORT GROUPS", 0x0aa4},
    {"READ(12)", 0xffa8},
    {"WRITE(12)", 0xffaa},
    {"WRITE AND VERIFY(12)", 0xffae},
    {"VERIFY(12)", 0xffaf},
    {"READ DEFECT DATA(12)", 0xffb7},
    {"PERSISTENT RESERVE IN", 0xff5e},
    {"PERSISTENT RESERVE OUT", 0xff5f},
    {"SANITIZE", 0xff48},
    {"EXTENDED COPY", 0xff83},
    {NULL, 0},
};

/* sense key, additional sense code and qualifier */
const struct fault_name fault_senses[] = {
    {"recovered", 0x011700},
    {"not_ready", 0x020400},
    {"not_ready_becoming", 0x020401},
    {"not_ready_start_needed", 0x020402},
    {"not_ready_manual", 0x020403},
    {"in_transition", 0x02040a},
    {"standby", 0x02040b},
    {"unavailable", 0x02040c},
    {"no_medium", 0x023a00},
    {"medium_error", 0x031100},
    {"read_error", 0x031100},
    {"write_error", 0x030c00},
    {"hardware_error", 0x044400},
    {"internal_failure", 0x044400},
    {"invalid_opcode", 0x052000},
    {"lba_out_of_range", 0x052100},
    {"invalid_field", 0x052400},
    {"lun_not_supported", 0x052500},
    {"medium_changed", 0x062800},
    {"power_on", 0x062900},
    {"bus_reset", 0x062902},
    {"nexus_loss", 0x062907},
    {"mode_changed", 0x062a01},
    {"reservations_preempted", 0x062a03},
    {"access_changed", 0x062a06},
    {"capacity_changed", 0x062a09},
    {"inquiry_changed", 0x063f03},
    {"luns_changed", 0x063f0e},
    {"threshold_reached", 0x063807},
    {"write_protected", 0x072700},
    {"space_exhausted", 0x072707},
    {"aborted", 0x0b0000},
    {"aborted_data_phase", 0x0b4b00},
    {"miscompare", 0x0e1d00},
    {NULL, 0},
};

const struct fault_name fault_statuses[] = {
    {"good", 0x00},          {"condition_met", 0x04},
    {"busy", 0x08},          {"reservation_conflict", 0x18},
    {"task_set_full", 0x28}, {"aca_active", 0x30},
    {"task_aborted", 0x40},  {NULL, 0},
};

const struct fault_name fault_login_statuses[] = {
    {"initiator_error", 0x0200},
    {"authentication_failure", 0x0201},
    {"forbidden", 0x0202},
    {"not_found", 0x0203},
    {"target_removed", 0x0204},
    {"unsupported_version", 0x0205},
    {"too_many_connections", 0x0206},
    {"missing_parameter", 0x0207},
    {"cannot_include", 0x0208},
    {"session_type_not_supported", 0x0209},
    {"no_such_session", 0x020a},
    {"invalid_request", 0x020b},
    {"target_error", 0x0300},
    {"service_unavailable", 0x0301},
    {"out_of_resources", 0x0302},
    {NULL, 0},
};

static bool is_space(char character)
{
    return character == ' ' || character == '_' || character == '-';
}

static bool is_same_name(const char *a, const char *b)
{
    for (;; a++, b++) {
        while (is_space(*a))
            a++;
        while (is_space(*b))
            b++;
        if (tolower((unsigned char)*a) != tolower((unsigned char)*b))
            return false;
        if (!*a)
            return true;
    }
}

int64_t fault_number_of(const struct fault_name *names, const char *text)
{
    for (; names->name; names++)
        if (is_same_name(names->name, text))
            return names->number;
    return -1;
}

const char *fault_name_of(const struct fault_name *names, uint32_t number)
{
    for (; names->name; names++)
        if (names->number == number)
            return names->name;
    return NULL;
}
