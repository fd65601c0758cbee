#include "target/iscsi/faulty_host.h"

#include "target/base/event.h"
#include "target/base/memory.h"
#include "target/iscsi/faulty_conn.h"
#include "target/iscsi/login.h"
#include "target/iscsi/session.h"
#include "target/iscsi/text.h"

#include <stdlib.h>
#include <string.h>

struct question {
    const char *kind;
    double moved_s; /* seconds since the target has moved */
};

static bool accepts(const struct fault_rule *rule, const void *what)
{
    const struct question *question = what;

    return fault_is_kind(rule, question->kind) &&
           (!fault_is_kind(rule, "login.stale") ||
            question->moved_s * 1000 < (double)fault_parameter(rule, "time")->number);
}

static struct fault_rule *strike_moved(struct host *host, const struct login_names *names,
                                       const char *kind, double moved_s)
{
    struct question question = {kind, moved_s};
    char portal[ADDRESS_TEXT_SIZE];
    size_t index = 0;
    struct fault_point point = {
        .where = FAULT_LOGIN,
        .node = host->faulty->faults->node,
        .portal = address_format(&names->local, portal),
        .initiator = names->initiator,
        .direction = -1,
        .pdu = -1,
        .command = -1,
        .lba = -1,
        .accepts = accepts,
        .what = &question,
    };

    host->faulty->describe(host, &names->local, names->target, &point);
    return faults_strike(host->faulty->faults, &point, &index);
}

/* The rule of this kind that strikes at a login; NULL: none. */
static struct fault_rule *strike(struct host *host, const struct login_names *names,
                                 const char *kind)
{
    return strike_moved(host, names, kind, 0);
}

static enum login_status admit(struct host *host, const struct login_names *names,
                               struct login_grant *grant)
{
    static const char wrong[] = "this is the wrong secret";
    enum login_status status = host->faulty->inner->admit(host, names, grant);
    struct fault_rule *rule;

    if (status != LOGIN_ACCEPTED)
        return status;
    rule = strike(host, names, "login.refuse");
    if (rule)
        return (enum login_status)fault_parameter(rule, "status")->number;
    rule = grant->account.user ? strike(host, names, "login.wrong_chap") : NULL;
    if (rule && fault_parameter(rule, "side")->number)
        grant->mutual.secret = wrong;
    else if (rule)
        grant->account.secret = wrong;
    return status;
}

/* The redirect as it is due, to the portal of before, or for good. */
static enum login_status redirect(struct host *host, const struct login_names *names,
                                  enum login_status status, struct address *to)
{
    struct faulty_host *faulty = host->faulty;
    struct address former;
    double moved;

    if (faulty->former && faulty->former(host, names, &former, &moved) &&
        strike_moved(host, names, "login.stale", moved > 0 ? event_now() - moved : 0)) {
        *to = former;
        if (status != LOGIN_MOVED_PERMANENTLY)
            status = LOGIN_MOVED_TEMPORARILY;
    }
    if (status == LOGIN_MOVED_TEMPORARILY && strike(host, names, "login.permanent"))
        status = LOGIN_MOVED_PERMANENTLY;
    return status;
}

static enum login_status route(struct host *host, const struct login_names *names,
                               bool is_authenticated, struct address *to)
{
    struct faulty_host *faulty = host->faulty;
    enum login_status status = faulty->inner->route(host, names, is_authenticated, to);
    struct fault_rule *rule = NULL;

    if (is_authenticated || status != LOGIN_ACCEPTED)
        rule = strike(host, names, "login.redirect");
    if (!rule)
        return status == LOGIN_ACCEPTED ? status : redirect(host, names, status, to);
    *to = names->local;
    free(faulty->redirect);
    faulty->redirect = fault_parameter(rule, "to")->text
                           ? memory_copy_text(fault_parameter(rule, "to")->text)
                           : NULL;
    return fault_parameter(rule, "status")->number ? LOGIN_MOVED_PERMANENTLY
                                                   : LOGIN_MOVED_TEMPORARILY;
}

static const char *name_portal(struct host *host)
{
    struct faulty_host *faulty = host->faulty;

    free(faulty->names);
    faulty->names = faulty->redirect;
    faulty->redirect = NULL; /* for this login only */
    return faulty->names;
}

/* In the order of the table of kinds. */
enum { LIST_NOTHING, LIST_GARBAGE, LIST_FOREIGN, LIST_EVERYTHING, LIST_NODE_PORTALS };

static void list(struct host *host, const struct login_names *names, const char *name,
                 struct buffer *answer)
{
    struct fault_rule *rule = strike(host, names, "login.discovery");

    if (!rule) {
        host->faulty->inner->list(host, names, name, answer);
        return;
    }
    switch (fault_parameter(rule, "list")->number) {
    case LIST_NOTHING:
        break;
    case LIST_GARBAGE:
        text_add(answer, "TargetName", "not a name at all");
        text_add(answer, "TargetAddress", "?!,,::");
        break;
    case LIST_FOREIGN:
        text_add(answer, "TargetName", "iqn.2012-11.com.example:not-there");
        text_add(answer, "TargetAddress", "192.0.2.1:3260,1");
        break;
    default:
        host->faulty->list(host, &names->local,
                           fault_parameter(rule, "list")->number == LIST_NODE_PORTALS, answer);
    }
}

static enum login_status attach(struct host *host, struct session *session)
{
    return host->faulty->inner->attach(host, session);
}

static void detach(struct host *host, struct session *session)
{
    host->faulty->inner->detach(host, session);
}

static const struct host_operations faulty_operations = {admit,  route,  list,
                                                         attach, detach, name_portal};

static void greet(struct host *host, struct conn *conn)
{
    faulty_conn_wrap(host->faulty, conn);
}

static void greet_nobody(struct host *host, struct conn *conn)
{
    (void)host, (void)conn;
}

void faulty_host_init(struct faulty_host *faulty, struct host *host, struct faults *faults,
                      faulty_host_describe *describe, faulty_host_list *list,
                      faulty_host_former *former)
{
    *faulty = (struct faulty_host){.host = host,
                                   .faults = faults,
                                   .describe = describe,
                                   .list = list,
                                   .former = former,
                                   .inner = host->operations};
    host->faulty = faulty;
    list_init(&faulty->conns);
}

static void wrap_all(struct faulty_host *faulty)
{
    struct registry *registry = &faulty->host->registry;

    LIST_FOR_EACH (node, &registry->logins)
        faulty_conn_wrap(faulty, container_of(node, struct login, link)->conn);
    LIST_FOR_EACH (node, &registry->sessions) {
        struct session *session = container_of(node, struct session, link);

        if (session->conn)
            faulty_conn_wrap(faulty, session->conn);
    }
}

void faulty_host_follow(struct faulty_host *faulty)
{
    bool needs_login = faults_need(faulty->faults, FAULT_LOGIN),
         needs_pdus = faults_need(faulty->faults, FAULT_LOGIN | FAULT_PDU);

    faulty->host->operations = needs_login ? &faulty_operations : faulty->inner;
    faulty->host->greet = needs_pdus ? greet : greet_nobody;
    if (needs_pdus)
        wrap_all(faulty);
    faulty_conns_follow(faulty, needs_pdus);
}
