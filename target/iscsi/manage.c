/* Task management (RFC 7143 4.2.3.3, 11.5, 11.6): every affected task has really ended before the
 * answer goes out. */
#include "target/base/event.h"
#include "target/base/memory.h"
#include "target/iscsi/session.h"
#include "target/iscsi/task.h"

#include <stdlib.h>
#include <string.h>

enum function_response {
    FUNCTION_COMPLETE = 0,
    FUNCTION_NO_TASK = 1,
    FUNCTION_NO_LUN = 2,
    FUNCTION_NO_REASSIGNMENT = 4,
    FUNCTION_NOT_SUPPORTED = 5,
    FUNCTION_REJECTED = 255,
};

static const struct function {
    enum task_function function;
    const char *name;
    bool has_lun;
    enum port_function port_function;
    enum function_response refusal; /* FUNCTION_COMPLETE: it is done */
} functions[] = {
    {TASK_ABORT, "ABORT TASK", true, PORT_ABORT_TASK, FUNCTION_COMPLETE},
    {TASK_ABORT_SET, "ABORT TASK SET", true, PORT_ABORT_SET, FUNCTION_COMPLETE},
    {TASK_CLEAR_ACA, "CLEAR ACA", true, 0, FUNCTION_NOT_SUPPORTED},
    {TASK_CLEAR_SET, "CLEAR TASK SET", true, PORT_CLEAR_SET, FUNCTION_COMPLETE},
    {TASK_LUN_RESET, "LOGICAL UNIT RESET", true, PORT_LUN_RESET, FUNCTION_COMPLETE},
    {TASK_WARM_RESET, "TARGET WARM RESET", false, PORT_TARGET_RESET, FUNCTION_COMPLETE},
    {TASK_COLD_RESET, "TARGET COLD RESET", false, PORT_TARGET_RESET, FUNCTION_COMPLETE},
    {TASK_REASSIGN, "TASK REASSIGN", false, 0, FUNCTION_NO_REASSIGNMENT},
};

/* A function under way. */
struct managed {
    struct session *session;         /* outlives us: counted in function_count */
    const struct function *function; /* NULL: unknown */
    struct pdu_task_request request;
    bool is_answered;
};

static const struct function *find_function(uint8_t number)
{
    for (size_t i = 0; i < sizeof(functions) / sizeof(*functions); i++)
        if (functions[i].function == number)
            return &functions[i];
    return NULL;
}

static void respond(struct session *session, const struct managed *managed,
                    enum function_response response)
{
    uint8_t bhs[BHS_SIZE];

    if (!managed->is_answered)
        return;
    event(EVENT_TASK_MANAGEMENT, text("initiator", session->initiator),
          text("target", session->target),
          text("function", managed->function ? managed->function->name : "unknown"),
          number("response", response));
    if (!session->conn || session->is_over)
        return;
    pdu_encode_task_response(bhs, &(struct pdu_task_response){
                                      .response = (uint8_t)response,
                                      .task_tag = managed->request.task_tag,
                                      .numbers = session_next_numbers(session),
                                  });
    session_send(session, bhs, NULL, 0);
}

/* RFC 7143 11.5.1: a cold reset also ends all sessions of the target, this one when its answer has
 * left. */
static void end_sessions(struct session *session)
{
    const char *why = "target cold reset";
    bool has_found;

    do {
        has_found = false;
        LIST_FOR_EACH (node, &session->host->registry.sessions) {
            struct session *other = container_of(node, struct session, link);

            if (other == session || !other->conn || !other->target ||
                strcasecmp(other->target, session->target))
                continue;
            session_end(other, why);
            has_found = true;
            break;
        }
    } while (has_found);
    session->is_over = true;
    if (session->conn)
        conn_finish(session->conn, why);
}

static void on_managed(void *owner, bool is_done)
{
    struct managed *managed = owner;
    struct session *session = managed->session;

    respond(session, managed, is_done ? FUNCTION_COMPLETE : FUNCTION_NO_TASK);
    if (managed->request.function == TASK_COLD_RESET)
        end_sessions(session);
    free(managed);
    session->function_count--;
    session_task_ended(session);
}

/* RFC 7143 11.6.1: a task that is not there because its command has not come yet counts as aborted:
 * its CmdSN is taken. */
static bool abort_in_advance(struct session *session, const struct pdu_task_request *request)
{
    int32_t ahead = (int32_t)(request->ref_cmd_sn - session->exp_cmd_sn);

    if (ahead < 0 || (int32_t)(session->max_cmd_sn - request->ref_cmd_sn) < 0)
        return false;
    session_void(session, request->ref_cmd_sn);
    return true;
}

static void start(struct session *session, const struct managed *managed)
{
    const struct pdu_task_request *request = &managed->request;
    const struct function *function = managed->function;
    struct task *task = NULL;
    struct managed *waiting;

    if (request->function == TASK_ABORT) {
        task = session_find_task(session, request->referenced_tag);
        if (!task || task->lun != request->lun || !task->is_in_port) {
            bool is_done = !task && abort_in_advance(session, request);

            respond(session, managed, is_done ? FUNCTION_COMPLETE : FUNCTION_NO_TASK);
            return;
        }
        task->phase = TASK_ABORTING;
        list_remove(&task->reading);
    }
    waiting = memory_new(sizeof(*waiting));
    *waiting = *managed;
    session->function_count++;
    session->port.operations->manage(session, function->port_function, task, on_managed, waiting);
}

const char *session_take_function(struct session *session, const struct pdu *pdu)
{
    struct managed managed = {.session = session};
    const struct function *function;

    if (!session->port.operations)
        return session_reject(session, pdu, REJECT_PROTOCOL_ERROR);
    pdu_decode_task_request(&managed.request, pdu->bhs);
    managed.function = function = find_function(managed.request.function);
    managed.is_answered = session->port.operations->answers_management(session);
    if (!function)
        respond(session, &managed, FUNCTION_REJECTED);
    else if (function->refusal != FUNCTION_COMPLETE)
        respond(session, &managed, function->refusal);
    else if (function->has_lun && !session->port.operations->has_lun(session, managed.request.lun))
        respond(session, &managed, FUNCTION_NO_LUN);
    else
        start(session, &managed);
    return NULL;
}
