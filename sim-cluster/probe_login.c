/* The context, the connection, the login's answer, and once the size of the disk. */
#include "sim-cluster/probe_login.h"

#include <assert.h>
#include <iscsi/iscsi.h>
#include <iscsi/scsi-lowlevel.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim-cluster/probe_command.h"
#include "sim-cluster/probe_stamp.h"

#define CHAP_NAME_SIZE 256
#define LOGIN_CLASS_INITIATOR 2 /* RFC 7143 11.13.5: final; a host retries the others */
#define LOGIN_MOVED_PERMANENTLY 0x0102

/* libiscsi tells the status only in its sentence, as "...(513)"; -1: it has none. */
static int login_status(const char *sentence)
{
    const char *open = strrchr(sentence, '(');

    return open && open[1] >= '0' && open[1] <= '9' ? (int)strtol(open + 1, NULL, 10) : -1;
}

static void ask_size(struct probe_session *session);

static void take_size(struct probe_session *session)
{
    struct scsi_readcapacity16 *capacity = scsi_datain_unmarshall(session->sizing);

    if (!capacity || capacity->block_length < PROBE_SECTOR_SIZE ||
        capacity->returned_lba >= UINT64_MAX / capacity->block_length) {
        probe_session_decide(session, NEXT_FAIL, "READ CAPACITY(16) answered nonsense");
        return;
    }
    session->block_size = capacity->block_length;
    session->disk_bytes = (capacity->returned_lba + 1) * capacity->block_length;
    probe_session_decide(session, NEXT_READY, NULL);
}

static void on_capacity(struct iscsi_context *iscsi, int status, void *data, void *owner)
{
    struct probe_session *session = owner;
    char why[PROBE_WHY_SIZE] = "READ CAPACITY(16) went unanswered";
    enum probe_outcome outcome;

    (void)iscsi, (void)data;
    if (!session->sizing || session->state != SESSION_SIZING)
        return;
    outcome = probe_command_judge(status, session->sizing, why, sizeof why);
    if (status == SCSI_STATUS_GOOD) /* with or without a residual */
        take_size(session);
    else if (outcome == OUTCOME_FAILED)
        probe_session_decide(session, NEXT_FAIL, why);
    else if (outcome == OUTCOME_LOST)
        probe_session_decide(session, NEXT_LOSE, why);
    else
        ask_size(session); /* most often the unit attention of a new session */
}

static void ask_size(struct probe_session *session)
{
    probe_command_free_task(&session->sizing);
    session->state = SESSION_SIZING;
    session->sizing =
        iscsi_readcapacity16_task(session->iscsi, (int)session->options->lun, on_capacity, session);
    if (!session->sizing)
        probe_session_decide(session, NEXT_LOSE, iscsi_get_error(session->iscsi));
}

static void on_logged_in(struct probe_session *session)
{
    session->logins++;
    session->heard_us = probe_now_us();
    session->owner->stage(session->owner, STAGE_LOGGED_IN, NULL);
    if (session->disk_bytes)
        probe_session_decide(session, NEXT_READY, NULL);
    else
        ask_size(session);
}

/* libiscsi takes 0x0102 for an error, but keeps the address. */
static bool is_redirect(struct iscsi_context *iscsi, int status)
{
    return (status == SCSI_STATUS_REDIRECT ||
            login_status(iscsi_get_error(iscsi)) == LOGIN_MOVED_PERMANENTLY) &&
           *iscsi_get_target_address(iscsi);
}

static void on_login(struct iscsi_context *iscsi, int status, void *data, void *owner)
{
    struct probe_session *session = owner;

    (void)data;
    if (status == SCSI_STATUS_GOOD) {
        on_logged_in(session);
    } else if (is_redirect(iscsi, status)) {
        snprintf(session->redirected, sizeof session->redirected, "%s",
                 iscsi_get_target_address(iscsi));
        probe_session_decide(session, NEXT_REDIRECT, NULL);
    } else {
        const char *why = iscsi_get_error(iscsi);
        bool is_final = login_status(why) >> 8 == LOGIN_CLASS_INITIATOR;

        if (is_final && session->disk_bytes)
            session->owner->refused(session->owner, why);
        probe_session_decide(session, is_final && !session->disk_bytes ? NEXT_FAIL : NEXT_LOSE,
                             why);
    }
}

static void on_connected(struct iscsi_context *iscsi, int status, void *data, void *owner)
{
    struct probe_session *session = owner;

    (void)data;
    if (status != SCSI_STATUS_GOOD) {
        probe_session_decide(session, NEXT_LOSE, iscsi_get_error(iscsi));
        return;
    }
    if (!session->hops)
        session->owner->stage(session->owner, STAGE_CONNECTED, NULL);
    session->state = SESSION_LOGGING_IN;
    session->deadline_us = probe_now_us() + (uint64_t)session->options->timeout_ms * 1000;
    if (iscsi_login_async(iscsi, on_login, session) != 0)
        probe_session_decide(session, NEXT_LOSE, iscsi_get_error(iscsi));
}

/* libiscsi's names end where the text ends. */
static const char *name_of(const char *user, char name[static CHAP_NAME_SIZE])
{
    snprintf(name, CHAP_NAME_SIZE, "%.*s", (int)strcspn(user, " "), user);
    return name;
}

static void set_up_context(struct probe_session *session)
{
    const struct probe_options *options = session->options;
    char name[CHAP_NAME_SIZE];

    session->iscsi =
        iscsi_create_context(options->initiator ? options->initiator : PROBE_INITIATOR);
    assert(session->iscsi);
    iscsi_set_noautoreconnect(session->iscsi, 1);
    iscsi_set_targetname(session->iscsi, options->target);
    iscsi_set_session_type(session->iscsi, ISCSI_SESSION_NORMAL);
    iscsi_set_header_digest(session->iscsi, ISCSI_HEADER_DIGEST_NONE);
    iscsi_set_isid_random(session->iscsi, session->isid, 0);
    if (options->chap_user)
        iscsi_set_initiator_username_pwd(session->iscsi, name_of(options->chap_user, name),
                                         options->chap_secret);
    if (options->chap_user && options->mutual_user)
        iscsi_set_target_username_pwd(session->iscsi, name_of(options->mutual_user, name),
                                      options->mutual_secret);
}

bool probe_login_begin(struct probe_session *session, const char *portal)
{
    set_up_context(session);
    return iscsi_connect_async(session->iscsi, portal, on_connected, session) == 0;
}
