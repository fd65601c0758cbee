#include "target/iscsi/task.h"

#include "target/base/memory.h"
#include "target/iscsi/session.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { UNUSED_MAX = 512 };

static struct task *take_unused(struct host *host)
{
    struct list *node = list_first(&host->unused_tasks);

    if (!node)
        return NULL;
    list_remove(node);
    host->unused_task_count--;
    return container_of(node, struct task, link);
}

struct task *task_new(struct session *session, const struct pdu_command *command)
{
    size_t port_size = session->port.operations->task_size;
    struct task *task = take_unused(session->host);

    if (!task)
        task = memory_new(sizeof(*task) + port_size);
    memset(task, 0, offsetof(struct task, cdb));
    memset(&task->transfer_length, 0,
           offsetof(struct task, r2ts) - offsetof(struct task, transfer_length));
    memset(&task->early, 0, sizeof(*task) - offsetof(struct task, early));
    list_init(&task->reading);
    task->session = session;
    task->lun = command->lun;
    task->tag = command->task_tag;
    task->cmd_sn = command->cmd_sn;
    task->attribute = command->attribute;
    task->expected_out = command->writes ? command->expected_length : 0;
    task->expected_in = command->reads ? command->expected_length : 0;
    list_append(&session->tasks[task->tag % TASK_BUCKETS], &task->link);
    session->task_count++;
    return task;
}

void task_free(struct task *task)
{
    struct session *session = task->session;
    struct host *host = session->host;

    assert(!task->is_in_port && !task->chunk);
    if (session->incoming == task)
        session->incoming = NULL;
    list_remove(&task->link);
    list_remove(&task->reading);
    buffer_free(&task->early);
    session->task_count--;
    session_written(session, task->unwritten);
    session->immediate_count -= task->is_immediate;
    if (host->unused_task_count < UNUSED_MAX) {
        list_append(&host->unused_tasks, &task->link);
        host->unused_task_count++;
    } else {
        free(task);
    }
}

void task_abort(struct task *task)
{
    if (task->phase == TASK_ABORTING)
        return;
    task->phase = TASK_ABORTING;
    list_remove(&task->reading);
    if (task->session->incoming == task)
        task->session->incoming = NULL;
    if (task->is_in_port)
        task->session->port.operations->abort(task);
    else
        task_on_aborted(task);
}
