#include "target/faulty_task.h"

#include "target/base/loops.h"
#include "target/base/memory.h"
#include "target/iscsi/task.h"
#include "target/port.h"
#include "target/scsi/command.h"
#include "target/scsi/extent.h"
#include "target/scsi/result.h"

#include <stdlib.h>

static struct service *service_of_task(const struct task *task)
{
    return container_of(task->session->host, struct service, host);
}

static struct scsi_task *scsi_of(const struct task *task)
{
    return (struct scsi_task *)(uintptr_t)task->port;
}

struct faulty_task *faulty_task_find(const struct task *task)
{
    struct service *service = service_of_task(task);

    LIST_FOR_EACH (node, &service->faulty_tasks) {
        struct faulty_task *faulty = container_of(node, struct faulty_task, link);

        if (faulty->task == task)
            return faulty;
    }
    return NULL;
}

void faulty_task_forget(struct faulty_task *faulty)
{
    if (!faulty)
        return;
    ev_timer_stop(faulty->service->faults.loop, &faulty->delay);
    list_remove(&faulty->link);
    if (list_is_empty(&faulty->service->faulty_tasks))
        faults_let_go(&faulty->service->faults, FAULT_COMMAND);
    free(faulty);
}

void faulty_task_begin_late(struct faulty_task *faulty)
{
    struct task *task = faulty->task;

    faulty_task_forget(faulty);
    task_on_next(task, port_operations.begin(task));
}

static void on_delay(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)loop, (void)events;

    faulty_task_begin_late(container_of(timer, struct faulty_task, delay));
}

static struct faulty_task *remember(struct task *task, const struct fault_rule *rule,
                                    enum deed deed)
{
    struct faulty_task *faulty = memory_new(sizeof(*faulty));

    *faulty = (struct faulty_task){
        .service = service_of_task(task), .task = task, .rule = rule, .deed = deed};
    ev_init(&faulty->delay, on_delay);
    list_append(&faulty->service->faulty_tasks, &faulty->link);
    return faulty;
}

static enum port_next end_with(struct task *task, uint8_t status, uint32_t sense)
{
    struct scsi_task *scsi = scsi_of(task);
    const struct sense fixed = {.result = sense};

    task->status = status;
    task->transfer_length = 0;
    if (sense) {
        task->sense = scsi->sense;
        task->sense_length = (uint32_t)sense_encode(scsi->sense, &fixed, false);
    }
    return PORT_STATUS;
}

static enum port_next strike_sense(struct task *task, struct fault_rule *rule)
{
    return end_with(task, 0x02, (uint32_t)fault_parameter(rule, "sense")->number);
}

static enum port_next strike_status(struct task *task, struct fault_rule *rule)
{
    uint8_t status = (uint8_t)fault_parameter(rule, "status")->number;

    return end_with(task, status, status == 0x02 ? 0x0b0000 : 0);
}

static enum port_next strike_full(struct task *task, struct fault_rule *rule)
{
    (void)rule;
    return end_with(task, 0x28, 0);
}

static enum port_next strike_hang(struct task *task, struct fault_rule *rule)
{
    remember(task, rule, DEED_HOLD);
    return PORT_WAIT;
}

static enum port_next strike_black_hole(struct task *task, struct fault_rule *rule)
{
    remember(task, rule, DEED_LOSE);
    return PORT_WAIT;
}

static enum port_next strike_delay(struct task *task, struct fault_rule *rule)
{
    struct faulty_task *faulty = remember(task, rule, DEED_HOLD);

    faulty->is_delayed = true;
    ev_timer_set(&faulty->delay, fault_delay_ms(rule) / 1000, 0);
    loop_start_timer(faulty->service->faults.loop, &faulty->delay);
    return PORT_WAIT;
}

static enum port_next strike_fake(struct task *task, struct fault_rule *rule)
{
    uint32_t out = task->expected_out, in = task->expected_in;

    if (!out && !in)
        return end_with(task, 0, 0);
    remember(task, rule, DEED_FAKE);
    task->transfer_length = out ? out : in;
    return out ? PORT_DATA_OUT : PORT_DATA_IN;
}

enum port_next faulty_task_fall_silent(struct task *task)
{
    faulty_task_find(task)->is_done = true;
    return PORT_WAIT;
}

static void on_next_muted(struct scsi_task *scsi, enum scsi_next next)
{
    struct task *task = container_of((void *)scsi, struct task, port);

    if (next == SCSI_STATUS)
        faulty_task_fall_silent(task);
    else
        faulty_task_find(task)->transport->on_next(scsi, next);
}

static void on_put_muted(struct scsi_task *scsi, size_t length)
{
    faulty_task_find(container_of((void *)scsi, struct task, port))
        ->transport->on_put(scsi, length);
}

static void on_got_muted(struct scsi_task *scsi)
{
    faulty_task_find(container_of((void *)scsi, struct task, port))->transport->on_got(scsi);
}

static void on_aborted_muted(struct scsi_task *scsi)
{
    struct faulty_task *faulty = faulty_task_find(container_of((void *)scsi, struct task, port));
    const struct scsi_transport *transport = faulty->transport;

    faulty_task_forget(faulty);
    transport->on_aborted(scsi);
}

static const struct scsi_transport muted = {on_next_muted, on_put_muted, on_got_muted,
                                            on_aborted_muted};

static enum port_next strike_mute(struct task *task, struct fault_rule *rule)
{
    struct faulty_task *faulty = remember(task, rule, DEED_MUTE);
    enum port_next next = port_operations.begin(task);

    if (next == PORT_STATUS)
        return faulty_task_fall_silent(task);
    faulty->transport = scsi_of(task)->transport;
    scsi_of(task)->transport = &muted;
    return next;
}

static const struct strike {
    const char *kind;
    enum port_next (*strike)(struct task *task, struct fault_rule *rule);
} strikes[] = {
    {"command.sense", strike_sense},
    {"command.unit_attention", strike_sense},
    {"command.status", strike_status},
    {"command.task_set_full", strike_full},
    {"command.hang", strike_hang},
    {"command.black_hole", strike_black_hole},
    {"command.delay", strike_delay},
    {"command.answer_without_doing", strike_fake},
    {"command.do_without_answering", strike_mute},
};

/* Bits of the choices of command.black_hole, in the order of the table of kinds. */
enum { ONLY_DATA = 1, WITH_MANAGEMENT = 2 };

static bool accepts(const struct fault_rule *rule, const void *what)
{
    const struct task *task = what;

    if (fault_is_kind(rule, "command.black_hole"))
        return !(fault_parameter(rule, "what")->number & ONLY_DATA) || task->expected_in ||
               task->expected_out;
    return !fault_is_kind(rule, "command.task_set_full") ||
           task->session->task_count > (uint64_t)fault_parameter(rule, "depth")->number;
}

static bool accepts_management(const struct fault_rule *rule, const void *what)
{
    (void)what;
    return fault_is_kind(rule, "command.black_hole") &&
           fault_parameter(rule, "what")->number & WITH_MANAGEMENT;
}

/* The range of blocks, where the CDB has one. */
static void place(struct fault_point *point, const struct task *task)
{
    int opcode = task->cdb[0] & 0x1f;
    struct extent extent = extent_from_cdb(task->cdb);

    point->lba = -1;
    if (!task->expected_in && !task->expected_out && opcode != 0x0f)
        return;
    if (opcode == 0x08 || opcode == 0x0a || opcode == 0x0e || opcode == 0x0f ||
        task->cdb[0] == 0x41 || task->cdb[0] == 0x93 || task->cdb[0] == 0x89) {
        point->lba = (int64_t)extent.lba;
        point->blocks = task->cdb[0] == 0x89 ? task->cdb[13] : (int64_t)extent.blocks;
    }
}

static struct fault_point point_of(struct session *session, char portal[static ADDRESS_TEXT_SIZE])
{
    struct fault_point point = {
        .where = FAULT_COMMAND,
        .node = container_of(session->host, struct service, host)->node,
        .session = session->tsih,
        .portal = address_format(&session->local, portal),
        .initiator = session->initiator,
        .direction = -1,
        .pdu = -1,
        .command = -1,
        .lba = -1,
    };

    service_describe(session->host, &session->local, session->target, &point);
    return point;
}

static struct fault_rule *find_strike(struct task *task, size_t *index)
{
    char portal[ADDRESS_TEXT_SIZE];
    struct fault_point point = point_of(task->session, portal);

    point.command = task->cdb[0] | (task->cdb[1] & COMMAND_ACTION_BITS) << 8;
    point.size = task->expected_in ? task->expected_in : task->expected_out;
    point.accepts = accepts;
    point.what = task;
    place(&point, task);
    return faults_strike(&service_of_task(task)->faults, &point, index);
}

bool faulty_task_loses_answer(struct session *session)
{
    char portal[ADDRESS_TEXT_SIZE];
    struct fault_point point = point_of(session, portal);
    size_t index = 0;

    point.accepts = accepts_management;
    return faults_strike(&container_of(session->host, struct service, host)->faults, &point,
                         &index) != NULL;
}

enum port_next faulty_task_begin(struct task *task)
{
    size_t index = 0;
    struct fault_rule *rule = find_strike(task, &index);

    for (size_t i = 0; rule && i < sizeof(strikes) / sizeof(*strikes); i++)
        if (fault_is_kind(rule, strikes[i].kind))
            return strikes[i].strike(task, rule);
    return port_operations.begin(task);
}
