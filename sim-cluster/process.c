#include "sim-cluster/process.h"

#include "target/base/child.h"
#include "target/base/control.h"
#include "target/base/event_line.h"
#include "target/base/fault_counts.h"
#include "target/base/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* What a child finds open: standard input, output and error, the control channel, the lock, the
 * board of faults, and what it is given beside. */
enum { COMMON = FAULT_BOARD_DESCRIPTOR + 1, DESCRIPTORS = COMMON + 2, PHRASE_SIZE = 128 };

struct process_internals {
    struct process process;
    struct ev_loop *loop;
    struct process_watch watch;
    struct control *control; /* owned; NULL once closed */
    ev_io reapable;          /* on the pidfd, owned */
    struct list requests;
    json_int_t last_id;
    bool is_reaped;
    char how[PHRASE_SIZE];
};

struct request {
    struct list link;
    struct ev_loop *loop;
    json_int_t id;
    ev_timer deadline;
    process_row *on_row; /* may be NULL, as the next */
    process_replied *on_replied;
    void *owner; /* borrowed */
};

static void finish(struct request *request, json_t *reply, const char *error)
{
    const char *refused = reply ? json_string_value(json_object_get(reply, "error")) : NULL;

    list_remove(&request->link);
    ev_timer_stop(request->loop, &request->deadline);
    if (request->on_replied)
        request->on_replied(request->owner, reply, refused ? refused : error);
    free(request);
}

static void finish_all(struct process_internals *internals, const char *error)
{
    while (!list_is_empty(&internals->requests))
        finish(container_of(list_first(&internals->requests), struct request, link), NULL, error);
}

static void on_deadline(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)loop, (void)events;
    finish(container_of(timer, struct request, deadline), NULL, "did not answer in time");
}

static struct request *find_request(const struct process_internals *internals, json_int_t id)
{
    LIST_FOR_EACH (node, &internals->requests) {
        struct request *request = container_of(node, struct request, link);

        if (request->id == id)
            return request;
    }
    return NULL;
}

static bool begins(const char *line, size_t length, const char *with)
{
    size_t begin = strlen(with);

    return length >= begin && !memcmp(line, with, begin);
}

/* Of a request that is still waited for. */
static void pass_row(const struct process_internals *internals, const char *line, size_t length)
{
    json_int_t id = strtoll(line + sizeof(CHILD_ROW_BEGIN) - 1, NULL, 10); /* a newline follows */
    const struct request *request = find_request(internals, id);

    if (request && request->on_row)
        request->on_row(request->owner, line, length);
}

/* Events and rows are passed on as they are. */
static bool on_line(void *owner, const char *line, size_t length)
{
    struct process_internals *internals = owner;
    bool is_event = begins(line, length, EVENT_LINE_BEGIN);

    if (!is_event && !begins(line, length, CHILD_ROW_BEGIN))
        return false;
    internals->process.heard_at = ev_now(internals->loop);
    if (is_event)
        internals->watch.on_event(internals->watch.owner, line, length);
    else
        pass_row(internals, line, length);
    return true;
}

static void on_message(void *owner, json_t *message)
{
    struct process_internals *internals = owner;
    struct request *request =
        find_request(internals, json_integer_value(json_object_get(message, "id")));

    internals->process.heard_at = ev_now(internals->loop);
    if (request)
        finish(request, message, NULL);
}

/* It has ended when it is reaped and everything it said is read. */
static void end_when_done(struct process_internals *internals)
{
    if (!internals->is_reaped || internals->control)
        return;
    internals->process.is_ended = true;
    finish_all(internals, internals->how);
    internals->watch.on_ended(internals->watch.owner, &internals->process, internals->how);
}

static void on_closed(void *owner, const char *reason)
{
    struct process_internals *internals = owner;

    control_free(internals->control);
    internals->control = NULL;
    if (!internals->is_reaped)
        internals->watch.on_broken(internals->watch.owner, &internals->process, reason);
    end_when_done(internals);
}

static void describe_end(char how[static PHRASE_SIZE], const siginfo_t *info)
{
    if (info->si_code == CLD_EXITED)
        snprintf(how, PHRASE_SIZE, "ended with status %d", info->si_status);
    else
        snprintf(how, PHRASE_SIZE, "was killed by signal %d (%s)", info->si_status,
                 strsignal(info->si_status));
}

static void on_reapable(struct ev_loop *loop, ev_io *watcher, int events)
{
    (void)events;
    struct process_internals *internals = container_of(watcher, struct process_internals, reapable);
    siginfo_t info = {0};

    if (waitid((idtype_t)P_PIDFD, (id_t)watcher->fd, &info, WEXITED | WNOHANG) || !info.si_pid)
        return;
    ev_io_stop(loop, watcher);
    internals->is_reaped = true;
    describe_end(internals->how, &info);
    end_when_done(internals);
}

/* In the child, between fork and exec: all of `descriptors` at once become 0, 1, 2 and so on. */
static void place_descriptors(const int descriptors[DESCRIPTORS], int count)
{
    int moved[DESCRIPTORS];

    for (int i = 0; i < count; i++)
        moved[i] = fcntl(descriptors[i], F_DUPFD, DESCRIPTORS);
    for (int i = 0; i < count; i++)
        dup2(moved[i], i);
    close_range((unsigned)count, ~0U, 0);
}

static void become(const struct process_start *start, int control, int log, pid_t parent)
{
    int null = open("/dev/null", O_RDWR);

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(127);
    signal(SIGINT, SIG_IGN); /* Ctrl-C is for the supervisor */
    if (start->space >= 0 && setns(start->space, CLONE_NEWNET)) {
        dprintf(log, "%s: cannot enter its network namespace: %s\n", start->path, strerror(errno));
        _exit(127);
    }
    place_descriptors((int[DESCRIPTORS]){null, null, log, control, start->lock, start->board,
                                         start->passed[0], start->passed[1]},
                      start->passed[0] ? DESCRIPTORS : COMMON);
    execv(start->path, start->argv);
    dprintf(STDERR_FILENO, "%s: cannot be started: %s\n", start->path, strerror(errno));
    _exit(127);
}

static pid_t spawn(const struct process_start *start, int control)
{
    pid_t parent = getpid(), pid;
    int log = open(start->log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);

    if (log < 0) /* a full disk costs the log, not the process */
        log = open("/dev/null", O_WRONLY | O_CLOEXEC);
    pid = fork();
    if (!pid)
        become(start, control, log, parent);
    close(log);
    return pid;
}

static struct process *watch_process(struct ev_loop *loop, pid_t pid, int pidfd, int control,
                                     const struct process_watch *watch)
{
    struct process_internals *internals = memory_new(sizeof(*internals));

    internals->loop = loop;
    internals->watch = *watch;
    internals->process.internals = internals;
    internals->process.pid = pid;
    internals->process.heard_at = ev_now(loop);
    list_init(&internals->process.link);
    list_init(&internals->requests);
    internals->control = control_new(loop, control, on_message, on_closed, internals);
    control_set_on_line(internals->control, on_line);
    ev_io_init(&internals->reapable, on_reapable, pidfd, EV_READ);
    ev_io_start(loop, &internals->reapable);
    return &internals->process;
}

struct process *process_start(struct ev_loop *loop, const struct process_start *start,
                              const struct process_watch *watch)
{
    int ends[2], pidfd = -1, error;
    pid_t pid;

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends))
        return NULL;
    pid = spawn(start, ends[1]);
    error = errno;
    close(ends[1]);
    if (pid > 0 && (pidfd = pidfd_open(pid, 0)) < 0) {
        error = errno;
        kill(pid, SIGKILL); /* not yet reaped: still ours */
        waitpid(pid, NULL, 0);
    }
    if (pidfd >= 0)
        return watch_process(loop, pid, pidfd, ends[0], watch);
    close(ends[0]);
    errno = error;
    return NULL;
}

void process_free(struct process *process)
{
    if (!process)
        return;
    struct process_internals *internals = process->internals;

    list_remove(&process->link);
    finish_all(internals, "is gone");
    control_free(internals->control);
    ev_io_stop(internals->loop, &internals->reapable);
    close(internals->reapable.fd);
    free(internals);
}

static struct request *begin_request(struct process *process, double deadline_s,
                                     process_replied *on_replied, void *owner)
{
    struct process_internals *internals = process->internals;
    struct request *request = memory_new(sizeof(*request));

    request->loop = internals->loop;
    request->id = ++internals->last_id;
    request->on_replied = on_replied;
    request->owner = owner;
    ev_timer_init(&request->deadline, on_deadline, deadline_s, 0);
    ev_timer_start(internals->loop, &request->deadline);
    list_append(&internals->requests, &request->link);
    return request;
}

void process_request_rows(struct process *process, json_t *message, double deadline_s,
                          process_row *on_row, process_replied *on_replied, void *owner)
{
    struct request *request = begin_request(process, deadline_s, on_replied, owner);

    request->on_row = on_row;
    json_object_set_new(message, "id", json_integer(request->id));
    if (process->internals->control)
        control_send(process->internals->control, message);
    else
        json_decref(message); /* it is about to end, and that answers */
}

void process_request(struct process *process, json_t *message, double deadline_s,
                     process_replied *on_replied, void *owner)
{
    process_request_rows(process, message, deadline_s, NULL, on_replied, owner);
}

void process_request_text(struct process *process, const char *text, size_t length,
                          double deadline_s, process_replied *on_replied, void *owner)
{
    struct control *control = process->internals->control;
    char id[32];
    int id_length = snprintf(id, sizeof(id), "{\"id\":%lld,",
                             (long long)begin_request(process, deadline_s, on_replied, owner)->id);

    if (!control)
        return;
    control_append(control, id, (size_t)id_length);
    control_append(control, text + 1, length - 1);
    control_append(control, "\n", 1);
}

void process_signal(struct process *process, int signal)
{
    pidfd_send_signal(process_descriptor(process), signal, NULL, 0);
}

/* The kernel's function that it sleeps in: that of a process which was stopped is another one. */
bool process_is_at_rest(const struct process *process)
{
    char path[32], where[64] = "";
    int file;

    snprintf(path, sizeof(path), "/proc/%d/wchan", process->pid);
    file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return false;
    ssize_t length = read(file, where, sizeof(where) - 1);
    close(file);
    return length > 0 && (strstr(where, "epoll") || strstr(where, "ep_poll"));
}

int process_descriptor(const struct process *process)
{
    return process->internals->reapable.fd;
}
