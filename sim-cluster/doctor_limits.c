/* What doctor says about limits, the clock, and what virtual machines need. */
#include "sim-cluster/doctor.h"
#include "target/base/memory.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* Of a target: its own descriptors, and what makes a lab comfortable. A child is one process with
 * four threads. */
enum { OWN_DESCRIPTORS = 32, MANY_DESCRIPTORS = 1024, PROCESSES_OF_NODE = 5, BACKLOG = 128 };
enum { DAY_S = 86400, COARSE_NS = 1000000 };

/* Infinity is more than any number. */
static struct rlimit limit_of(int resource)
{
    struct rlimit limit = {RLIM_INFINITY, RLIM_INFINITY};

    getrlimit(resource, &limit);
    return limit;
}

struct finding doctor_descriptors(const struct doctor *doctor)
{
    unsigned long long most = limit_of(RLIMIT_NOFILE).rlim_max;
    unsigned long long needed = OWN_DESCRIPTORS + 3 * doctor->config->volume_count;

    if (most >= needed && most >= MANY_DESCRIPTORS)
        return finding_ok(memory_format("up to %llu in a process", most));
    return finding_bad(most < needed ? FINDING_MISSING : FINDING_WARNING,
                       memory_format("up to %llu in a process, one for each connection", most),
                       memory_copy_text("Raise the hard limit: \"ulimit -Hn 65536\" as root, or "
                                        "LimitNOFILE= of the service."));
}

struct finding doctor_processes(const struct doctor *doctor)
{
    unsigned long long most = limit_of(RLIMIT_NPROC).rlim_cur;
    unsigned long long needed = PROCESSES_OF_NODE * doctor->config->node_count + 1;

    for (size_t i = 0; i < doctor->config->portal_group_count; i++)
        needed += doctor->config->portal_groups[i].floating_ip_count;
    if (most >= needed)
        return finding_ok(memory_format("%llu processes and threads are allowed", needed));
    return finding_bad(
        FINDING_MISSING,
        memory_format("%llu of the %llu processes and threads are allowed", most, needed),
        memory_copy_text("Raise the limit: \"ulimit -u unlimited\", or LimitNPROC= of "
                         "the service."));
}

static long long read_number(const char *path)
{
    FILE *file = fopen(path, "re");
    long long number = -1;

    if (file && fscanf(file, "%lld", &number) != 1)
        number = -1;
    if (file)
        fclose(file);
    return number;
}

struct finding doctor_backlog(const struct doctor *doctor)
{
    long long most = read_number("/proc/sys/net/core/somaxconn");

    (void)doctor;
    if (most >= BACKLOG || most < 0)
        return finding_ok(memory_format("%lld connections may wait for a node", most));
    return finding_bad(FINDING_WARNING,
                       memory_format("only %lld connections may wait for a node", most),
                       memory_copy_text("sysctl net.core.somaxconn=4096"));
}

/* A machine whose clock is before the build of its programs was never told the time. */
struct finding doctor_clock(const struct doctor *doctor)
{
    struct stat program;
    struct timespec step = {0};

    (void)doctor;
    clock_getres(CLOCK_MONOTONIC, &step);
    if (!stat("/proc/self/exe", &program) && program.st_mtime > time(NULL) + DAY_S)
        return finding_bad(FINDING_WARNING,
                           memory_copy_text("it says that this program is not built yet"),
                           memory_copy_text("Set it: \"timedatectl set-ntp true\"."));
    if (step.tv_sec || step.tv_nsec > COARSE_NS)
        return finding_bad(FINDING_WARNING,
                           memory_format("its steps are %ld us", step.tv_nsec / 1000),
                           memory_copy_text("Use a kernel with high resolution timers: short "
                                            "delays of faults are longer here."));
    return finding_ok(memory_format("steps of %ld ns", step.tv_nsec));
}

/* ---- virtual machines ---- */

static struct finding find_device(const char *path, const char *what, const char *remedy)
{
    if (!access(path, R_OK | W_OK))
        return finding_ok(memory_copy_text(what));
    return finding_bad(FINDING_WARNING,
                       memory_format("%s; only virtual machines need it", strerror(errno)),
                       memory_copy_text(remedy));
}

struct finding doctor_tun(const struct doctor *doctor)
{
    (void)doctor;
    return find_device("/dev/net/tun", "virtual machines can be on the cluster's bridge",
                       "\"modprobe tun\" as root; in a container pass the device in.");
}

struct finding doctor_kvm(const struct doctor *doctor)
{
    (void)doctor;
    return find_device("/dev/kvm", "virtual machines run at full speed",
                       "Switch virtualization on in the firmware, \"modprobe kvm\", and be in the "
                       "group kvm.");
}

struct finding doctor_qemu(const struct doctor *doctor)
{
    static const char name[] = "qemu-system-x86_64";
    const char *path = getenv("PATH");
    char *places = memory_copy_text(path ? path : ""), *rest = places, *place;
    bool is_there = false;

    (void)doctor;
    while (!is_there && (place = strsep(&rest, ":"))) {
        char *program = memory_format("%s/%s", place, name);

        is_there = !access(program, X_OK);
        free(program);
    }
    free(places);
    if (is_there)
        return finding_ok(memory_copy_text(name));
    return finding_bad(FINDING_WARNING,
                       memory_format("no %s; only tests with virtual machines need it", name),
                       memory_copy_text("apt-get install qemu-system-x86"));
}
