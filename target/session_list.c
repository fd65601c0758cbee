#include "target/session_list.h"

#include "target/iscsi/text.h"

static void tell(struct node *node, int64_t id, const struct session *session)
{
    const struct habits *habits = &session->habits;
    char isid[2 * ISID_SIZE + 3], portal[ADDRESS_TEXT_SIZE], peer[ADDRESS_TEXT_SIZE],
        since[EVENT_TIME_SIZE];

    text_format_binary(isid, session->isid, ISID_SIZE);
    event_format_time(since, session->since);
    struct event_field fields[] = {
        {0}, /* the request */
        text("initiator", session->initiator),
        text("isid", isid + 2),
        number("tsih", session->tsih),
        text("target", session->target),
        text("type", session->target ? "normal" : "discovery"),
        text("portal", address_format(&session->local, portal)),
        text("peer", address_format(&session->peer, peer)),
        text("since", since),
        number("commands", (int64_t)session->commands),
        number("bytes_in", (int64_t)conn_bytes_in(session->conn)),
        number("bytes_out", (int64_t)conn_bytes_out(session->conn)),
        number("nop_outs", (int64_t)habits->nops),
        number("nop_out_period_ms", habits_period_ms(habits)),
        number("nop_out_last_period_ms", habits_last_period_ms(habits)),
        number("quiet_ms", habits_quiet_ms(habits, ev_now(node->loop))),
        {0},
    };

    child_reply_row(node->child, id, fields);
}

void session_list_tell(void *owner, int64_t id, json_t *request)
{
    (void)request;
    struct node *node = owner;

    if (node->is_started) {
        LIST_FOR_EACH (element, &node->service.host.registry.sessions) {
            struct session *session = container_of(element, struct session, link);

            if (session->conn)
                tell(node, id, session);
        }
    }
    child_reply(node->child, id, NULL);
}
