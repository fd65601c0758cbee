/* PDUs that nobody asked for, sent by a rule. */
#include "target/base/bytes.h"
#include "target/iscsi/faulty_pdu.h"
#include "target/iscsi/session.h"
#include "target/iscsi/task.h"

enum { SENSE_SIZE = 18 };

struct session *faulty_conn_session(const struct faulty_conn *faulty)
{
    return conn_user(faulty->conn) == &session_user ? conn_owner(faulty->conn) : NULL;
}

static void send_nop(struct session *session)
{
    uint8_t bhs[BHS_SIZE];

    pdu_encode_nop_in(bhs, &(struct pdu_nop_in){.task_tag = RESERVED_TAG,
                                                .transfer_tag = session->next_tag++,
                                                .numbers = session_numbers(session)});
    session_send(session, bhs, NULL, 0);
}

static void send_reject(struct session *session)
{
    uint8_t bhs[BHS_SIZE], header[BHS_SIZE] = {OP_NOP_OUT};

    pdu_encode_reject(bhs, &(struct pdu_reject){.reason = REJECT_PROTOCOL_ERROR,
                                                .data_length = BHS_SIZE,
                                                .numbers = session_next_numbers(session)});
    session_send(session, bhs, header, BHS_SIZE);
}

/* For the command of the PDU, or for none. */
static void send_r2t(struct session *session, const struct fault_rule *rule, const uint8_t *cause)
{
    uint8_t bhs[BHS_SIZE];
    struct pdu pdu = {.task_tag = RESERVED_TAG};
    const struct task *task;

    if (cause)
        pdu_decode(&pdu, cause);
    task = session_find_task(session, pdu.task_tag);
    pdu_encode_r2t(bhs, &(struct pdu_r2t){
                            .task_tag = pdu.task_tag,
                            .transfer_tag = session->next_tag++,
                            .r2t_sn = task ? task->r2t_sn : 0,
                            .offset = (uint32_t)fault_parameter(rule, "offset")->number,
                            .length = (uint32_t)fault_parameter(rule, "length")->number,
                            .numbers = session_numbers(session),
                        });
    session_send(session, bhs, NULL, 0);
}

/* Sense data of fixed format, SPC-4 4.5.3. */
static void send_scsi_event(struct session *session, const struct fault_rule *rule)
{
    static const uint16_t parameters[3];
    uint32_t code = (uint32_t)fault_parameter(rule, "sense")->number;
    uint8_t sense[SENSE_SIZE] = {0x70, 0, (uint8_t)(code >> 16)};

    sense[7] = SENSE_SIZE - 8;
    put_be16(sense + 12, (uint16_t)code);
    session_send_async(session, ASYNC_SCSI_EVENT, parameters, sense, SENSE_SIZE);
}

/* In the order of the table of kinds; the other asynchronous messages follow in theirs. */
enum { SEND_NOP, SEND_REJECT, SEND_R2T, SEND_SCSI_EVENT };

void faulty_conn_send_unasked(struct faulty_conn *faulty, const struct fault_rule *rule,
                              const uint8_t *cause)
{
    static const uint16_t parameters[3] = {0, 0, 10};
    int64_t what = fault_parameter(rule, "what")->number;
    struct session *session = faulty_conn_session(faulty);

    if (!session || session->is_over || !session->conn)
        return;
    faulty->is_sending = true;
    if (what == SEND_NOP)
        send_nop(session);
    else if (what == SEND_REJECT)
        send_reject(session);
    else if (what == SEND_R2T)
        send_r2t(session, rule, cause);
    else if (what == SEND_SCSI_EVENT)
        send_scsi_event(session, rule);
    else
        session_send_async(session, (enum async_event)(what - SEND_SCSI_EVENT), parameters, NULL,
                           0);
    faulty->is_sending = false;
}
