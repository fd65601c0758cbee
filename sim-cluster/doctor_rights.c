/* What doctor says about what processes may do. */
#include "sim-cluster/confinement.h"
#include "sim-cluster/doctor.h"
#include "sim-cluster/privileges.h"
#include "target/base/memory.h"

#include <errno.h>
#include <linux/landlock.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

struct finding doctor_programs(const struct doctor *doctor)
{
    static const char *const names[] = {"target", "portalgroup"};

    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        char *path = memory_format("%s/%s", doctor->programs, names[i]);
        int error = access(path, X_OK) ? errno : 0;

        if (error)
            return finding_bad(FINDING_MISSING, path,
                               memory_format("%s: build it, or install it where sim-cluster is.",
                                             strerror(error)));
        free(path);
    }
    return finding_ok(memory_format("target and portalgroup are in %s", doctor->programs));
}

struct finding doctor_privileges(const struct doctor *doctor)
{
    static const struct {
        const char *mode;
        int needed;
    } modes[] = {
        [NETWORK_LOOPBACK] = {"loopback", 0},
        [NETWORK_NETNS] = {"netns", PRIVILEGE_NAMESPACES | PRIVILEGE_NETWORK},
        [NETWORK_HOST] = {"host", PRIVILEGE_NETWORK},
    };
    const char *mode = modes[doctor->config->network].mode;
    char *wrong = privileges_check(mode, modes[doctor->config->network].needed);

    if (wrong)
        return finding_bad(FINDING_MISSING, memory_format("not enough for network = %s", mode),
                           wrong);
    return finding_ok(memory_format("enough for network = %s", mode));
}

struct finding doctor_user(const struct doctor *doctor)
{
    struct confinement confinement;
    char *volumes = memory_format("%s/volumes", doctor->directory), *missing;
    char *wrong = confinement_decide(&confinement, doctor->config, volumes);

    free(volumes);
    if (wrong)
        return finding_bad(FINDING_MISSING, memory_format("not %s", doctor->config->user), wrong);
    if (confinement.becomes_user)
        return finding_ok(memory_format("they run as user %u", (unsigned)confinement.uid));
    missing =
        geteuid() || doctor->config->user || !confinement.is_on ? NULL : confinement_missing();
    if (!missing)
        return finding_ok(memory_format("they run as user %u, as you do", (unsigned)geteuid()));
    char *remedy =
        memory_format("Give the supervisor %s, or start it as an ordinary user.", missing);

    free(missing);
    return finding_bad(FINDING_WARNING, memory_copy_text("they run as root, without capabilities"),
                       remedy);
}

struct finding doctor_system_calls(const struct doctor *doctor)
{
    (void)doctor;
    if (prctl(PR_GET_SECCOMP, 0, 0, 0, 0) >= 0)
        return finding_ok(memory_copy_text("nodes are held to a list (seccomp)"));
    return finding_bad(FINDING_WARNING, memory_copy_text("nodes may make all: no seccomp"),
                       memory_copy_text("Use a kernel with CONFIG_SECCOMP_FILTER."));
}

struct finding doctor_landlock(const struct doctor *doctor)
{
    long version = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);

    (void)doctor;
    if (version > 0)
        return finding_ok(memory_format("version %ld: nodes reach their volumes only", version));
    return finding_bad(FINDING_WARNING,
                       memory_copy_text("nodes reach all files that their user does"),
                       memory_copy_text("Use a kernel with Landlock, and \"landlock\" in lsm= on "
                                        "its command line."));
}

/* A socket of a child that waits, as power-off takes a node's. */
static int take_from_child(void)
{
    pid_t child = fork();
    int error = 0, pidfd, taken;

    if (!child) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        for (;;)
            pause();
    }
    pidfd = pidfd_open(child, 0);
    taken = pidfd < 0 ? -1 : pidfd_getfd(pidfd, STDERR_FILENO, 0);
    if (taken < 0)
        error = -errno;
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    return error;
}

struct finding doctor_silence(const struct doctor *doctor)
{
    int error = doctor->config->network == NETWORK_NETNS ? 0 : doctor_try(take_from_child);

    if (!error)
        return finding_ok(memory_copy_text("a node can fall silent"));
    return finding_bad(FINDING_WARNING,
                       memory_format("connections of a dead node are reset: %s", strerror(-error)),
                       memory_copy_text("Use Linux 5.6 or later, and \"sysctl "
                                        "kernel.yama.ptrace_scope=1\" or less."));
}
