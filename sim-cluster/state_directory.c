#include "sim-cluster/state_directory.h"

#include "sim-cluster/client.h"
#include "target/base/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { LOCK_TRIES = 60, ALIVE_SIGHTS = 3, LOCK_NAP_MS = 50 };

char *state_directory_file(const char *path, const char *name)
{
    return memory_format("%s/%s", path, name);
}

char *state_directory_default(const char *option)
{
    const char *home = getenv("HOME"), *state = getenv("SIM_CLUSTER_STATE"),
               *xdg = getenv("XDG_STATE_HOME");

    if (option && *option)
        return memory_copy_text(option);
    if (state && *state)
        return memory_copy_text(state);
    if (xdg && *xdg)
        return memory_format("%s/sim-cluster", xdg);
    return home && *home ? memory_format("%s/.local/state/sim-cluster", home) : NULL;
}

/* 0 or -errno; parents too. */
static int make_directories(const char *path)
{
    char *part = memory_copy_text(path);
    int error = 0;

    for (char *slash = part + 1; !error && (slash = strchr(slash, '/')); *slash++ = '/') {
        *slash = '\0';
        if (mkdir(part, 0700) && errno != EEXIST && access(part, X_OK))
            error = -errno;
    }
    if (!error && mkdir(part, 0700) && errno != EEXIST)
        error = -errno;
    free(part);
    return error;
}

static char *cannot(const char *path, int error)
{
    return memory_format("%s: cannot be used as the state directory: %s; name another one with "
                         "--state DIR",
                         path, strerror(error));
}

/* The supervisor that wrote the lock; 0: not known. */
static pid_t read_holder(int fd)
{
    char text[32] = "";

    return pread(fd, text, sizeof(text) - 1, 0) > 0 ? (pid_t)strtol(text, NULL, 10) : 0;
}

/* Does its supervisor listen? One that was killed does not, and its children are dying. */
static bool is_alive(const char *path)
{
    struct connection connection;
    bool is_connected = !client_connect(&connection, path);

    client_close(&connection);
    return is_connected;
}

/* 0 or -1. One that was killed a moment ago may seem to listen for another moment. */
static int lock_when_dead(const char *path, int fd)
{
    int seen_alive = 0;

    for (int i = 0; flock(fd, LOCK_EX | LOCK_NB); i++) {
        seen_alive += is_alive(path);
        if (i == LOCK_TRIES || seen_alive == ALIVE_SIGHTS)
            return -1;
        nanosleep(&(struct timespec){.tv_nsec = LOCK_NAP_MS * 1000000L}, NULL);
    }
    return 0;
}

static char *explain_lock(const char *path, pid_t holder)
{
    if (!is_alive(path))
        return memory_format("the cluster on %s, process %d, does not answer, and something of it "
                             "still runs: \"pgrep -a 'sim-cluster|target|portalgroup'\" shows it",
                             path, (int)holder);
    return memory_format("a cluster already runs on %s, process %d; \"sim-cluster down --state "
                         "%s\" ends it, --state DIR starts another one",
                         path, (int)holder, path);
}

static char *take_lock(struct state_directory *state)
{
    char *path = state_directory_file(state->path, "lock"), line[32], *wrong = NULL;
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    int length = snprintf(line, sizeof(line), "%d\n", (int)getpid());

    free(path);
    if (fd < 0)
        return cannot(state->path, errno);
    if (lock_when_dead(state->path, fd))
        wrong = explain_lock(state->path, read_holder(fd));
    else if (ftruncate(fd, 0) || pwrite(fd, line, (size_t)length, 0) != length)
        wrong = cannot(state->path, errno);
    if (wrong)
        close(fd);
    else
        state->lock = fd;
    return wrong;
}

static char *make_parts(const struct state_directory *state)
{
    static const char *const parts[] = {"log", "volumes"};

    for (size_t i = 0; i < sizeof(parts) / sizeof(*parts); i++) {
        char *path = state_directory_file(state->path, parts[i]);
        int error = make_directories(path);

        free(path);
        if (error)
            return cannot(state->path, -error);
    }
    return NULL;
}

char *state_directory_open(struct state_directory *state, const char *path)
{
    char absolute[PATH_MAX];
    int error = make_directories(path);
    char *wrong;

    *state = (struct state_directory){.lock = -1};
    if (error)
        return cannot(path, -error);
    if (!realpath(path, absolute))
        return cannot(path, errno);
    if (strlen(absolute) + sizeof("/control.sock") > sizeof(((struct sockaddr_un *)0)->sun_path))
        return memory_format("%s: the path of the state directory is too long for a Unix socket "
                             "in it; name a shorter one with --state DIR",
                             absolute);
    state->path = memory_copy_text(absolute);
    wrong = take_lock(state);
    return wrong ? wrong : make_parts(state);
}

void state_directory_close(struct state_directory *state)
{
    if (state->lock >= 0)
        close(state->lock);
    free(state->path);
    *state = (struct state_directory){.lock = -1};
}
