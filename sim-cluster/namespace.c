#include "sim-cluster/namespace.h"

#include "sim-cluster/netlink.h"
#include "target/base/memory.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#define PLACE "/run/netns"
#define SELF "/proc/thread-self/ns/net"

static char *path_of(const char *name)
{
    return memory_format(PLACE "/%s", name);
}

static int open_path(const char *path)
{
    int space = open(path, O_RDONLY | O_CLOEXEC);

    return space < 0 ? -errno : space;
}

int namespace_enter(int space)
{
    int back = open_path(SELF), error;

    if (back < 0)
        return back;
    if (!setns(space, CLONE_NEWNET))
        return back;
    error = errno;
    close(back);
    return -error;
}

void namespace_leave(int back)
{
    if (setns(back, CLONE_NEWNET))
        abort(); /* the supervisor would go on in a node's namespace */
    close(back);
}

static unsigned long number_of(const char *path)
{
    struct stat file;

    return stat(path, &file) ? 0 : (unsigned long)file.st_ino;
}

unsigned long namespace_number(void)
{
    return number_of(SELF);
}

static int find_named(unsigned long number)
{
    DIR *place = opendir(PLACE);
    int space = -ENOENT;

    if (!place)
        return -ENOENT;
    for (struct dirent *entry; space < 0 && (entry = readdir(place));) {
        char *path = path_of(entry->d_name);

        if (number_of(path) == number)
            space = open_path(path);
        free(path);
    }
    closedir(place);
    return space;
}

int namespace_find(unsigned long number)
{
    static const char first[] = "/proc/1/ns/net";

    return number_of(first) == number ? open_path(first) : find_named(number);
}

/* Names have to be seen by those who look from elsewhere, so the place is a shared mount. */
static int prepare_place(void)
{
    if (mkdir(PLACE, 0755) && errno != EEXIST)
        return -errno;
    if (!mount("", PLACE, "none", MS_SHARED | MS_REC, NULL))
        return 0;
    if (errno != EINVAL || mount(PLACE, PLACE, "none", MS_BIND | MS_REC, NULL) ||
        mount("", PLACE, "none", MS_SHARED | MS_REC, NULL))
        return -errno;
    return 0;
}

static int set_mark(const char *mark)
{
    struct netlink *netlink;
    struct link_state loopback;
    int error = netlink_open(&netlink);

    if (error)
        return error;
    error = netlink_find_link(netlink, "lo", &loopback);
    if (!error)
        error = netlink_set_alias(netlink, loopback.index, mark);
    if (!error)
        error = netlink_set_up(netlink, loopback.index, true);
    netlink_close(netlink);
    return error;
}

/* In the new namespace. */
static int set_name(const char *path)
{
    return mount(SELF, path, "none", MS_BIND, NULL) ? -errno : 0;
}

/* It has its mark before it has its name. */
static int make(const char *path, const char *mark)
{
    int back = open_path(SELF), error;

    if (back < 0)
        return back;
    if (unshare(CLONE_NEWNET)) {
        error = -errno;
        close(back);
        return error;
    }
    error = set_mark(mark);
    if (!error)
        error = set_name(path);
    namespace_leave(back);
    return error;
}

int namespace_create(const char *name, const char *mark)
{
    char *path = path_of(name);
    int error = prepare_place(), file;

    file = error ? error : open(path, O_RDONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0444);
    if (file < 0) {
        error = error ? error : -errno;
    } else {
        close(file);
        error = make(path, mark);
        if (error)
            unlink(path);
    }
    free(path);
    return error ? error : namespace_open(name);
}

int namespace_open(const char *name)
{
    char *path = path_of(name);
    int space = open_path(path);
    struct statfs file_system;

    free(path);
    if (space < 0)
        return space;
    if (!fstatfs(space, &file_system) && file_system.f_type == NSFS_MAGIC)
        return space;
    close(space);
    return -EINVAL;
}

int namespace_remove_name(const char *name)
{
    char *path = path_of(name);
    int error;

    umount2(path, MNT_DETACH); /* not mounted: only the file is there */
    error = unlink(path) ? -errno : 0;
    free(path);
    return error;
}
