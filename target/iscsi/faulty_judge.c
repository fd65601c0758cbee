/* What each kind of fault does to a PDU, and whom the rules are asked about. */
#include "target/base/bytes.h"
#include "target/iscsi/digest.h"
#include "target/iscsi/faulty_pdu.h"
#include "target/iscsi/login.h"
#include "target/iscsi/pdu_field.h"
#include "target/iscsi/session.h"

#include <string.h>
#include <sys/socket.h>

/* What must hold for a kind beside its conditions. */
struct question {
    const struct faulty_conn *faulty;
    enum faulty_direction direction;
    bool is_now; /* the rule has just been set, there is no PDU */
};

static bool accepts_pdu(const struct fault_rule *rule, const void *what)
{
    static const char *const outgoing[] = {"pdu.field", "pdu.close_window", "pdu.fragment"};
    const struct question *question = what;
    bool is_send = fault_is_kind(rule, "pdu.send"),
         waits = rule->values[FAULT_KEY_PDU].is_given || rule->values[FAULT_KEY_DIRECTION].is_given;

    if (question->is_now)
        return rule->is_new && !waits &&
               (is_send || fault_is_kind(rule, "pdu.half_close") ||
                fault_is_kind(rule, "pdu.reset"));
    if (is_send)
        return faulty_conn_session(question->faulty) != NULL && !question->faulty->is_sending;
    for (size_t i = 0; question->direction == FAULTY_IN && i < sizeof(outgoing) / sizeof(*outgoing);
         i++)
        if (fault_is_kind(rule, outgoing[i]))
            return false;
    return true;
}

static bool accepts_login(const struct fault_rule *rule, const void *what)
{
    (void)what;
    return fault_is_kind(rule, "login.hang") || fault_is_kind(rule, "login.slow") ||
           fault_is_kind(rule, "login.drop");
}

static const char *text_after(const uint8_t *bytes, uint32_t length, const char *key)
{
    const char *found =
        bytes && length && !bytes[length - 1] ? memmem(bytes, length, key, strlen(key)) : NULL;

    return found ? found + strlen(key) : NULL;
}

/* Who it is: the session, the login so far, or what the first request of a login says. */
static void describe(const struct faulty_conn *faulty, const uint8_t *data, uint32_t length,
                     struct fault_point *point)
{
    const struct session *session = faulty_conn_session(faulty);
    const char *target;

    if (session) {
        point->initiator = session->initiator;
        point->session = session->tsih;
        target = session->target;
    } else {
        const struct login *login = conn_owner(faulty->conn);

        point->initiator =
            login->initiator ? login->initiator : text_after(data, length, "InitiatorName=");
        target = login->target ? login->target : text_after(data, length, "TargetName=");
    }
    faulty->host->describe(faulty->host->host, conn_local(faulty->conn), target, point);
}

static struct fault_point point_of(const struct faulty_conn *faulty, enum fault_where where,
                                   char portal[static ADDRESS_TEXT_SIZE])
{
    return (struct fault_point){
        .where = where,
        .node = faulty->host->faults->node,
        .portal = address_format(conn_local(faulty->conn), portal),
        .direction = -1,
        .pdu = -1,
        .command = -1,
        .lba = -1,
    };
}

static void reset(struct faulty_conn *faulty)
{
    const struct linger linger = {1, 0};

    setsockopt(conn_descriptor(faulty->conn), SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
    faulty_conn_doom(faulty, "reset by a fault");
}

static void corrupt(struct faulty_conn *faulty, const struct fault_rule *rule, uint8_t *bytes,
                    enum faulty_direction direction, struct faulty_verdict *verdict)
{
    enum { HEADER, DATA, DIGEST, PADDING };
    struct faulty_layout layout = faulty_layout_of(faulty, bytes, direction);
    const struct stream *stream = conn_stream(faulty->conn);
    bool is_sealed = fault_parameter(rule, "when")->number;
    int64_t part = fault_parameter(rule, "part")->number;
    uint32_t data = layout.header + layout.header_digest, tail = data + layout.data;
    const uint32_t starts[] = {0, data, layout.data_digest ? tail + layout.padding : layout.header,
                               tail};
    const uint32_t sizes[] = {layout.header, layout.data,
                              layout.data_digest ? DIGEST_SIZE : layout.header_digest,
                              layout.padding};
    int64_t offset = fault_parameter(rule, "offset")->number;

    if (offset < sizes[part])
        bytes[starts[part] + offset] ^= (uint8_t)fault_parameter(rule, "xor")->number;
    if (direction == FAULTY_OUT && is_sealed)
        faulty_layout_seal(bytes, &layout);
    if (direction == FAULTY_IN && !is_sealed) {
        verdict->breaks_header |= part == HEADER && stream->header_digest;
        verdict->breaks_data |= part != HEADER && stream->data_digest && layout.data;
    }
}

static void change_field(struct faulty_conn *faulty, const struct fault_rule *rule, uint8_t *bytes)
{
    struct faulty_layout layout = faulty_layout_of(faulty, bytes, FAULTY_OUT);

    if (rule)
        pdu_add_to_field(bytes, fault_parameter(rule, "field")->text,
                         (uint32_t)fault_parameter(rule, "by")->number);
    else
        pdu_close_window(bytes);
    faulty_layout_seal(bytes, &layout);
}

static void judge(struct faulty_conn *faulty, struct fault_rule *rule, uint8_t *bytes,
                  enum faulty_direction direction, struct faulty_verdict *verdict)
{
    const char *kind = strchr(rule->kind->name, '.') + 1;

    if (!strcmp(kind, "drop") || !strcmp(kind, "black_hole"))
        verdict->is_dropped = true;
    else if (!strcmp(kind, "delay"))
        verdict->delay += fault_delay_ms(rule) / 1000;
    else if (!strcmp(kind, "duplicate"))
        verdict->is_duplicated = true;
    else if (!strcmp(kind, "reorder"))
        verdict->is_overtaken = true;
    else if (!strcmp(kind, "fragment"))
        verdict->piece =
            1 + (int64_t)(fault_random(rule) % (uint64_t)fault_parameter(rule, "most")->number);
    else if (!strcmp(kind, "throttle"))
        verdict->rate = fault_parameter(rule, "rate")->number;
    else if (!strcmp(kind, "corrupt"))
        corrupt(faulty, rule, bytes, direction, verdict);
    else if (!strcmp(kind, "field"))
        change_field(faulty, rule, bytes);
    else if (!strcmp(kind, "close_window"))
        change_field(faulty, NULL, bytes);
    else if (!strcmp(kind, "send"))
        verdict->send = rule;
    else if (!strcmp(kind, "half_close"))
        shutdown(conn_descriptor(faulty->conn), SHUT_WR);
    else if (!strcmp(kind, "reset"))
        reset(faulty);
}

void faulty_conn_judge_login(struct faulty_conn *faulty, const struct pdu *pdu,
                             struct faulty_verdict *verdict)
{
    char portal[ADDRESS_TEXT_SIZE];
    struct fault_point point = point_of(faulty, FAULT_LOGIN, portal);
    struct login *login = conn_owner(faulty->conn);
    struct fault_rule *rule;

    if (faulty_conn_session(faulty) || pdu->opcode != OP_LOGIN_REQUEST)
        return;
    point.accepts = accepts_login;
    describe(faulty, pdu->data, pdu->data_length, &point);
    for (size_t i = 0; (rule = faults_strike(faulty->host->faults, &point, &i));) {
        if (fault_is_kind(rule, "login.slow")) {
            verdict->delay += fault_delay_ms(rule) / 1000;
            continue;
        }
        verdict->is_dropped = true;
        ev_timer_stop(conn_pool_loop(login->pool), &login->timeout);
        if (fault_is_kind(rule, "login.drop"))
            faulty_conn_doom(faulty, "closed by a fault");
    }
}

struct faulty_verdict faulty_conn_judge_pdu(struct faulty_conn *faulty, uint8_t *bytes,
                                            uint32_t length, enum faulty_direction direction,
                                            const uint8_t *data)
{
    char portal[ADDRESS_TEXT_SIZE];
    struct fault_point point = point_of(faulty, FAULT_PDU, portal);
    struct question question = {faulty, direction, false};
    struct faulty_verdict verdict = {0};
    struct fault_rule *rule;

    point.direction = direction;
    point.pdu = bytes[0] & 0x3f;
    point.size = get_be24(bytes + 5);
    point.accepts = accepts_pdu;
    point.what = &question;
    describe(faulty, data, data ? length : 0, &point);
    for (size_t i = 0; (rule = faults_strike(faulty->host->faults, &point, &i));)
        judge(faulty, rule, bytes, direction, &verdict);
    return verdict;
}

void faulty_conn_strike_now(struct faulty_conn *faulty)
{
    char portal[ADDRESS_TEXT_SIZE];
    struct fault_point point = point_of(faulty, FAULT_PDU, portal);
    struct question question = {faulty, FAULTY_OUT, true};
    struct faulty_verdict verdict = {0};
    struct fault_rule *rule;

    if (!faulty_conn_session(faulty))
        return;
    point.accepts = accepts_pdu;
    point.what = &question;
    describe(faulty, NULL, 0, &point);
    for (size_t i = 0; (rule = faults_strike(faulty->host->faults, &point, &i));) {
        judge(faulty, rule, NULL, FAULTY_OUT, &verdict);
        if (verdict.send)
            faulty_conn_send_unasked(faulty, verdict.send, NULL);
        verdict.send = NULL;
    }
}
