#include "target/base/landlock.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Version 3; Debian 12 has the header of version 2. */
#ifndef LANDLOCK_ACCESS_FS_TRUNCATE
#define LANDLOCK_ACCESS_FS_TRUNCATE (1ULL << 14)
#endif

/* What each version has added. */
static const uint64_t added[] = {
    LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_READ_FILE |
        LANDLOCK_ACCESS_FS_READ_DIR | LANDLOCK_ACCESS_FS_REMOVE_DIR |
        LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_CHAR |
        LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_MAKE_SOCK |
        LANDLOCK_ACCESS_FS_MAKE_FIFO | LANDLOCK_ACCESS_FS_MAKE_BLOCK | LANDLOCK_ACCESS_FS_MAKE_SYM,
    LANDLOCK_ACCESS_FS_REFER,
    LANDLOCK_ACCESS_FS_TRUNCATE,
};

/* Volumes, their state, journals and tokens. */
static const uint64_t needed = LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_READ_FILE |
                               LANDLOCK_ACCESS_FS_READ_DIR | LANDLOCK_ACCESS_FS_REMOVE_FILE |
                               LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_MAKE_REG |
                               LANDLOCK_ACCESS_FS_TRUNCATE;

static uint64_t known_to(int version)
{
    uint64_t known = 0;

    for (int i = 0; i < version && i < (int)(sizeof(added) / sizeof(*added)); i++)
        known |= added[i];
    return known;
}

static int allow(int ruleset, const char *directory, uint64_t known)
{
    struct landlock_path_beneath_attr beneath = {
        .allowed_access = needed & known,
        .parent_fd = open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC),
    };
    int error = 0;

    if (beneath.parent_fd < 0 ||
        syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &beneath, 0))
        error = -errno;
    if (beneath.parent_fd >= 0)
        close(beneath.parent_fd);
    return error;
}

int landlock_restrict(const char *directory, int *version)
{
    long found = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
    struct landlock_ruleset_attr attributes = {.handled_access_fs = known_to((int)found)};
    int ruleset, error = 0;

    *version = found > 0 ? (int)found : 0;
    if (!*version)
        return 0;
    ruleset = (int)syscall(SYS_landlock_create_ruleset, &attributes, sizeof(attributes), 0);
    if (ruleset < 0)
        return -errno;
    if (directory)
        error = allow(ruleset, directory, attributes.handled_access_fs);
    if (!error && syscall(SYS_landlock_restrict_self, ruleset, 0))
        error = -errno;
    close(ruleset);
    return error;
}
