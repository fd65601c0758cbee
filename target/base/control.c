#include "target/base/control.h"

#include "target/base/list.h"
#include "target/base/loops.h"
#include "target/base/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PENDING_MAX = 64 << 20, READ_SIZE = 64 << 10, KEPT_MAX = 1 << 20 };

static void end(struct control *control, const char *reason)
{
    if (control->closing)
        return;
    control->closing = true;
    ev_io_stop(control->loop, &control->readable);
    ev_io_stop(control->loop, &control->writable);
    ev_clear_pending(control->loop, &control->flush);
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

/* The length of the first line with its newline; 0: it is not all here. */
static size_t first_line(struct control *control)
{
    const char *content = buffer_content(&control->in);
    const char *newline =
        memchr(content + control->searched, '\n', control->in.length - control->searched);

    control->searched = newline ? 0 : control->in.length;
    return newline ? (size_t)(newline - content) + 1 : 0;
}

/* A message may free the channel, and its buffer with it: it is delivered from a copy. */
static bool deliver_first(struct control *control, size_t length)
{
    char *line = memory_new(length);
    bool goes_on;

    memcpy(line, buffer_content(&control->in), length);
    buffer_take(&control->in, length);
    goes_on = deliver(control, line, length - 1);
    free(line);
    return goes_on;
}

/* What one long line took is not kept. */
static void shrink(struct buffer *buffer)
{
    if (buffer->length || buffer->capacity <= KEPT_MAX)
        return;
    buffer_free(buffer);
    memory_return();
}

static void deliver_lines(struct control *control)
{
    size_t length;

    while (control->in.length && (length = first_line(control))) {
        if (control->on_line &&
            control->on_line(control->owner, buffer_content(&control->in), length))
            buffer_take(&control->in, length);
        else if (!deliver_first(control, length))
            return;
    }
    if (control->in.length > PENDING_MAX)
        end(control, "sent a line that is too long");
    shrink(&control->in);
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
    shrink(&control->out);
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

static void flush(struct control *control)
{
    write_some(control); /* a broken channel shows in on_readable */
    if (control->out.length)
        loop_start_io(control->loop, &control->writable);
}

static void on_flush(struct ev_loop *loop, ev_prepare *watcher, int events)
{
    (void)loop, (void)events;
    flush(container_of(watcher, struct control, flush));
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
    ev_prepare_init(&control->flush, on_flush);
    ev_set_priority(&control->flush, EV_MINPRI); /* after all else of the turn */
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
    ev_clear_pending(control->loop, &control->flush);
    close(control->readable.fd);
    buffer_free(&control->in);
    buffer_free(&control->out);
    free(control);
}

void control_set_on_line(struct control *control, control_line *on_line)
{
    control->on_line = on_line;
}

/* Past what a peer that does not read gets kept for it, no more is: it is about to be dropped. */
static bool takes_more(const struct control *control)
{
    return !control->closing && control->out.length <= PENDING_MAX;
}

void control_send(struct control *control, json_t *message)
{
    char *line = json_dumps(message, JSON_COMPACT);

    json_decref(message);
    if (line && takes_more(control)) {
        buffer_append(&control->out, line, strlen(line));
        buffer_append(&control->out, "\n", 1);
        flush(control);
    }
    free(line);
}

void control_append(struct control *control, const char *line, size_t length)
{
    if (!takes_more(control))
        return;
    buffer_append(&control->out, line, length);
    ev_feed_event(control->loop, &control->flush, EV_PREPARE);
    loop_wake(control->loop);
}

void control_flush(struct control *control, int timeout_ms)
{
    struct pollfd poll_fd = {.fd = control->readable.fd, .events = POLLOUT};

    while (!write_some(control) && control->out.length)
        if (poll(&poll_fd, 1, timeout_ms) <= 0)
            return;
}
