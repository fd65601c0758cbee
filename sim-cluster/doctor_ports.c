/* What doctor says about TCP ports: who has one that a portal is to have. */
#include "sim-cluster/doctor.h"
#include "target/base/memory.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { LISTENING = 10 /* TCP_LISTEN */, HEX_ADDRESS_SIZE = 33, FIRST_FREE_PORT = 1024 };

/* 0 or -errno, as for a listener of our own. */
static int try_listening(const struct address *address)
{
    struct sockaddr_storage at;
    socklen_t length = address_to_socket(address, &at);
    int fd = socket(at.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1, error = 0;

    if (fd < 0)
        return -errno;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (bind(fd, (struct sockaddr *)&at, length) || listen(fd, 1))
        error = -errno;
    close(fd);
    return error;
}

/* ---- who listens there ---- */

/* proc(5): words of 32 bits as this machine reads them. */
static void format_proc(const struct address *address, char text[static HEX_ADDRESS_SIZE])
{
    for (int i = 0; i < (address->is_ipv6 ? 4 : 1); i++) {
        uint32_t word;

        memcpy(&word, address->bytes + 4 * i, sizeof(word));
        snprintf(text + 8 * i, HEX_ADDRESS_SIZE - 8 * (size_t)i, "%08X", word);
    }
}

/* The socket that listens at that port on that address or on all; 0: none. */
static unsigned long find_socket(const char *table, const struct address *address)
{
    char wanted[HEX_ADDRESS_SIZE], local[HEX_ADDRESS_SIZE], line[256];
    FILE *file = fopen(table, "re");
    unsigned long found = 0;

    format_proc(address, wanted);
    while (file && !found && fgets(line, sizeof(line), file)) {
        unsigned port, state;
        unsigned long inode;

        if (sscanf(line, " %*d: %32[0-9A-F]:%x %*[0-9A-F]:%*x %x %*s %*s %*s %*s %*s %lu", local,
                   &port, &state, &inode) == 4 &&
            state == LISTENING && port == address->port &&
            (!strcmp(local, wanted) || strspn(local, "0") == strlen(local)))
            found = inode;
    }
    if (file)
        fclose(file);
    return found;
}

static bool has_socket(const char *pid, unsigned long inode)
{
    char path[300], link[64], wanted[64];
    DIR *descriptors;
    bool has = false;

    snprintf(path, sizeof(path), "/proc/%s/fd", pid);
    snprintf(wanted, sizeof(wanted), "socket:[%lu]", inode);
    descriptors = opendir(path);
    for (struct dirent *entry; descriptors && !has && (entry = readdir(descriptors));) {
        ssize_t length = readlinkat(dirfd(descriptors), entry->d_name, link, sizeof(link) - 1);

        link[length > 0 ? length : 0] = '\0';
        has = !strcmp(link, wanted);
    }
    if (descriptors)
        closedir(descriptors);
    return has;
}

/* " by process 4242 (tgtd)", or "" when it is not to be seen. Owned. */
static char *describe_process(const char *pid)
{
    char path[300], name[32] = "";
    FILE *file;

    snprintf(path, sizeof(path), "/proc/%s/comm", pid);
    file = fopen(path, "re");
    if (file && fgets(name, sizeof(name), file))
        name[strcspn(name, "\n")] = '\0';
    if (file)
        fclose(file);
    return memory_format(" by process %s (%s)", pid, name);
}

static char *find_holder(const struct address *address)
{
    unsigned long inode =
        find_socket(address->is_ipv6 ? "/proc/net/tcp6" : "/proc/net/tcp", address);
    DIR *processes = opendir("/proc");
    char *holder = NULL;

    if (!inode)
        inode = find_socket("/proc/net/tcp6", address); /* [::] takes both */
    for (struct dirent *entry; processes && inode && !holder && (entry = readdir(processes));)
        if (strspn(entry->d_name, "0123456789") == strlen(entry->d_name) &&
            has_socket(entry->d_name, inode))
            holder = describe_process(entry->d_name);
    if (processes)
        closedir(processes);
    return holder ? holder : memory_copy_text("");
}

/* ---- the checks ---- */

static char *find_taken(const struct address *address, int line, const void *owner)
{
    char text[ADDRESS_TEXT_SIZE], *holder, *found;

    (void)line, (void)owner;
    if (try_listening(address) != -EADDRINUSE)
        return NULL;
    holder = find_holder(address);
    found = memory_format("%s is taken%s", address_format(address, text), holder);
    free(holder);
    return found;
}

struct finding doctor_ports(const struct doctor *doctor)
{
    char *taken;

    if (doctor->is_running)
        return finding_ok(memory_copy_text("in use by the cluster that runs"));
    taken = doctor->config->network == NETWORK_NETNS
                ? NULL
                : doctor_visit_addresses(doctor->config, find_taken, NULL);
    if (taken)
        return finding_bad(FINDING_MISSING, taken,
                           memory_copy_text("End that process, or give the portal another port."));
    return finding_ok(memory_copy_text("all are free"));
}

/* The first port that needs no privilege. */
static int first_free_port(void)
{
    FILE *file = fopen("/proc/sys/net/ipv4/ip_unprivileged_port_start", "re");
    int first = FIRST_FREE_PORT;

    if (file && fscanf(file, "%d", &first) != 1)
        first = FIRST_FREE_PORT;
    if (file)
        fclose(file);
    return first;
}

static char *find_low(const struct address *address, int line, const void *owner)
{
    char text[ADDRESS_TEXT_SIZE];

    (void)line;
    return address->port < *(const int *)owner ? memory_copy_text(address_format(address, text))
                                               : NULL;
}

struct finding doctor_low_ports(const struct doctor *doctor)
{
    int first = doctor->config->network == NETWORK_NETNS ? FIRST_FREE_PORT : first_free_port();
    bool needs_none = doctor->config->has_sandbox || geteuid();
    char *low = needs_none ? doctor_visit_addresses(doctor->config, find_low, &first) : NULL;

    if (!low)
        return finding_ok(memory_copy_text("none that nodes may not have"));
    return finding_bad(FINDING_MISSING, low,
                       memory_format("Nodes run without privileges: choose a port from %d on, or "
                                     "\"sysctl net.ipv4.ip_unprivileged_port_start=0\" (not with "
                                     "network = netns).",
                                     first));
}
