#include "target/faulty_port.h"

#include "target/faulty_task.h"
#include "target/iscsi/task.h"
#include "target/port.h"
#include "target/scsi/command.h"

#include <string.h>

static struct faulty_task *find_fake(const struct task *task)
{
    struct faulty_task *faulty = faulty_task_find(task);

    return faulty && faulty->deed == DEED_FAKE ? faulty : NULL;
}

static bool put(struct task *task, uint32_t offset, const uint8_t *bytes, uint32_t length)
{
    return find_fake(task) || port_operations.put(task, offset, bytes, length);
}

static bool get(struct task *task, uint32_t offset, uint8_t *bytes, uint32_t length)
{
    if (!find_fake(task))
        return port_operations.get(task, offset, bytes, length);
    memset(bytes, 0, length);
    return true;
}

static bool has_failed(const struct task *task)
{
    return !find_fake(task) && port_operations.has_failed(task);
}

static bool span(struct task *task, uint32_t offset, uint32_t length, struct span *span)
{
    return !find_fake(task) && port_operations.span(task, offset, length, span);
}

static void spoil(struct task *task)
{
    if (!find_fake(task))
        port_operations.spoil(task);
}

static enum port_next finish(struct task *task)
{
    struct faulty_task *faulty = faulty_task_find(task);
    enum port_next next;

    if (faulty && faulty->deed == DEED_FAKE) {
        faulty_task_forget(faulty);
        task->status = 0;
        return PORT_STATUS;
    }
    next = port_operations.finish(task);
    return faulty && next == PORT_STATUS ? faulty_task_fall_silent(task) : next;
}

static void abort_task(struct task *task)
{
    struct faulty_task *faulty = faulty_task_find(task);
    bool is_in_port = !faulty || (faulty->deed == DEED_MUTE && !faulty->is_done);

    if (is_in_port) {
        port_operations.abort(task);
        return;
    }
    faulty_task_forget(faulty);
    task_on_aborted(task);
}

static bool is_affected(const struct faulty_task *faulty, const struct session *session,
                        enum port_function function)
{
    const struct session *other = faulty->task->session;

    if (faulty->deed == DEED_MUTE && !faulty->is_done)
        return false; /* it is in the task set and ended there */
    if (function == PORT_ABORT_SET)
        return other == session;
    return !strcasecmp(other->target, session->target);
}

static void manage(struct session *session, enum port_function function, struct task *task,
                   port_managed *done, void *owner)
{
    struct service *service = container_of(session->host, struct service, host);
    struct faulty_task *one = task ? faulty_task_find(task) : NULL;

    if (one && (one->deed != DEED_MUTE || one->is_done)) {
        abort_task(task);
        done(owner, true);
        return;
    }
    if (function != PORT_ABORT_TASK) {
        LIST_FOR_EACH_SAFE (node, &service->faulty_tasks) {
            struct faulty_task *faulty = container_of(node, struct faulty_task, link);

            if (is_affected(faulty, session, function))
                task_abort(faulty->task);
        }
    }
    port_operations.manage(session, function, task, done, owner);
}

static bool has_lun(const struct session *session, uint64_t lun)
{
    return port_operations.has_lun(session, lun);
}

static bool answers_management(struct session *session)
{
    return !faulty_task_loses_answer(session);
}

static const struct port_operations faulty_operations = {
    .task_size = sizeof(struct scsi_task),
    .begin = faulty_task_begin,
    .put = put,
    .get = get,
    .has_failed = has_failed,
    .span = span,
    .spoil = spoil,
    .finish = finish,
    .abort = abort_task,
    .manage = manage,
    .has_lun = has_lun,
    .answers_management = answers_management,
};

static void release_held(struct service *service)
{
    bool has_found;

    do { /* what goes on may end others */
        has_found = false;
        LIST_FOR_EACH (node, &service->faulty_tasks) {
            struct faulty_task *faulty = container_of(node, struct faulty_task, link);

            if (faulty->deed != DEED_HOLD || faulty->is_delayed ||
                faults_hold(&service->faults, faulty->rule))
                continue;
            faulty_task_begin_late(faulty);
            has_found = true;
            break;
        }
    } while (has_found);
}

void faulty_port_follow(struct service *service)
{
    bool is_needed;

    release_held(service);
    is_needed =
        faults_need(&service->faults, FAULT_COMMAND) || !list_is_empty(&service->faulty_tasks);
    service->port = is_needed ? &faulty_operations : &port_operations;
    LIST_FOR_EACH (node, &service->host.registry.sessions) {
        struct session *session = container_of(node, struct session, link);

        if (session->port.operations)
            session->port.operations = service->port;
    }
}
