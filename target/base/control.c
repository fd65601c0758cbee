#include "target/base/control.h"

#include "target/base/list.h"
#include "target/base/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PENDING_MAX = 64 << 20, READ_SIZE = 64 << 10 };

static void end(struct control *control, const char *reason)
{
    if (control->closing)
        return;
    control->closing = true;
    ev_io_stop(control->loop, &control->readable);
    ev_io_stop(control->loop, &control->writable);
    control->on_closed(control->owner, reason);
}

/* false: the channel is gone, or its owner freed it. */
static bool deliver(struct control *control, const char *line, size_t length)
{
    bool freed = false;
    json_t *message = json_loadb(line, length, 0, NULL);

    if (!json_is_object(message)) {
        json_decref(message);
        end(control, "sent a line that is not a JSON object");
        return false;
    }
    control->freed = &freed;
    control->on_message(control->owner, message);
    json_decref(message);
    if (freed)
        return false;
    control->freed = NULL;
    return !control->closing;
}

static void deliver_lines(struct control *control)
{
    char *content, *newline;

    while (control->in.length) {
        content = buffer_content(&control->in);
        newline = memchr(content, '\n', control->in.length);
        if (!newline) {
            if (control->in.length > PENDING_MAX)
                end(control, "sent a line that is too long");
            return;
        }
        size_t length = (size_t)(newline - content) + 1;
        char *line = memory_new(length);

        memcpy(line, content, length);
        buffer_take(&control->in, length);
        bool goes_on = deliver(control, line, length - 1);
        free(line);
        if (!goes_on)
            return;
    }
}

static void on_readable(struct ev_loop *loop, ev_io *watcher, int events)
{
    (void)loop, (void)events;
    struct control *control = container_of(watcher, struct control, readable);
    ssize_t got = recv(watcher->fd, buffer_reserve(&control->in, READ_SIZE), READ_SIZE, 0);

    if (got > 0) {
        buffer_added(&control->in, (size_t)got);
        deliver_lines(control);
    } else if (got == 0) {
        end(control, "closed by the peer");
    } else if (errno != EAGAIN && errno != EINTR) {
        end(control, strerror(errno));
    }
}

/* 0, or -errno when the channel is broken. */
static int write_some(struct control *control)
{
    while (control->out.length) {
        ssize_t sent = send(control->readable.fd, buffer_content(&control->out),
                            control->out.length, MSG_NOSIGNAL | MSG_DONTWAIT);

        if (sent < 0)
            return errno == EAGAIN || errno == EINTR ? 0 : -errno;
        buffer_take(&control->out, (size_t)sent);
    }
    return 0;
}

static void on_writable(struct ev_loop *loop, ev_io *watcher, int events)
{
    (void)events;
    struct control *control = container_of(watcher, struct control, writable);
    int error = write_some(control);

    if (!control->out.length)
        ev_io_stop(loop, watcher);
    if (error)
        end(control, strerror(-error));
    else if (control->out.length > PENDING_MAX)
        end(control, "does not read what it is sent");
}

struct control *control_new(struct ev_loop *loop, int fd, control_message *on_message,
                            control_closed *on_closed, void *owner)
{
    struct control *control = memory_new(sizeof(*control));

    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
    control->loop = loop;
    control->on_message = on_message;
    control->on_closed = on_closed;
    control->owner = owner;
    ev_io_init(&control->readable, on_readable, fd, EV_READ);
    ev_io_init(&control->writable, on_writable, fd, EV_WRITE);
    ev_io_start(loop, &control->readable);
    return control;
}

void control_free(struct control *control)
{
    if (!control)
        return;
    if (control->freed)
        *control->freed = true;
    ev_io_stop(control->loop, &control->readable);
    ev_io_stop(control->loop, &control->writable);
    close(control->readable.fd);
    buffer_free(&control->in);
    buffer_free(&control->out);
    free(control);
}

void control_send(struct control *control, json_t *message)
{
    char *line = json_dumps(message, JSON_COMPACT);

    json_decref(message);
    if (line && !control->closing && control->out.length <= PENDING_MAX) {
        buffer_append(&control->out, line, strlen(line));
        buffer_append(&control->out, "\n", 1);
        write_some(control); /* a broken channel shows in on_readable */
        if (control->out.length)
            ev_io_start(control->loop, &control->writable);
    }
    free(line);
}

void control_flush(struct control *control, int timeout_ms)
{
    struct pollfd poll_fd = {.fd = control->readable.fd, .events = POLLOUT};

    while (!write_some(control) && control->out.length)
        if (poll(&poll_fd, 1, timeout_ms) <= 0)
            return;
}
