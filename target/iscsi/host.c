#include "target/iscsi/host.h"

#include "target/iscsi/login.h"
#include "target/iscsi/session.h"
#include "target/iscsi/task.h"

#include <assert.h>
#include <stdlib.h>

static void greet_nobody(struct host *host, struct conn *conn)
{
    (void)host, (void)conn;
}

void host_init(struct host *host, const struct host_operations *operations,
               const struct host_settings *settings, struct ev_loop *loop)
{
    *host = (struct host){.operations = operations, .greet = greet_nobody, .settings = *settings};
    host_add_loop(host, loop);
    registry_init(&host->registry);
    list_init(&host->unused_tasks);
}

void host_add_loop(struct host *host, struct ev_loop *loop)
{
    assert(host->pool_count < HOST_LOOPS_MAX);
    host->pools[host->pool_count++] = conn_pool_new(loop, host->settings.spin);
}

static struct session *session_with_connection(struct host *host)
{
    LIST_FOR_EACH (node, &host->registry.sessions) {
        struct session *session = container_of(node, struct session, link);

        if (session->conn)
            return session;
    }
    return NULL;
}

void host_end(struct host *host, const char *why)
{
    struct session *session;
    struct list *node;

    while ((node = list_first(&host->registry.logins)))
        conn_close(container_of(node, struct login, link)->conn, why);
    while ((session = session_with_connection(host)))
        session_end(session, why);
}

void host_free(struct host *host)
{
    LIST_FOR_EACH_SAFE (node, &host->unused_tasks) {
        free(container_of(node, struct task, link));
    }
    registry_free(&host->registry);
    for (unsigned i = 0; i < host->pool_count; i++)
        conn_pool_free(host->pools[i]);
}

void host_mute(struct host *host)
{
    LIST_FOR_EACH (node, &host->registry.logins) {
        struct login *login = container_of(node, struct login, link);

        ev_timer_stop(conn_pool_loop(login->pool), &login->timeout);
        conn_mute(login->conn);
    }
    LIST_FOR_EACH (node, &host->registry.sessions) {
        struct session *session = container_of(node, struct session, link);

        ev_timer_stop(conn_pool_loop(session->pool), &session->nop);
        if (session->conn)
            conn_mute(session->conn);
    }
}
