#include "sim-cluster/confinement.h"

#include "sim-cluster/capabilities.h"
#include "target/base/memory.h"
#include "target/base/name_index.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/capability.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* To start processes as another user, to give them files, and to reach into them afterwards. */
static const int needed[] = {CAP_CHOWN,  CAP_DAC_OVERRIDE, CAP_KILL,
                             CAP_SETGID, CAP_SETUID,       CAP_SYS_PTRACE};

enum { NEEDED = sizeof(needed) / sizeof(*needed) };

static const char fallback[] = "nobody";

/* ---- the files ---- */

struct giving {
    const struct confinement *to;
    struct name_index volumes;
    bool is_elsewhere; /* not in the state directory: only what root has made changes hands */
};

/* Names of that file in the directory. */
static nlink_t count_names(int directory, const struct stat *file)
{
    int again = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *entries = again < 0 ? NULL : fdopendir(again);
    nlink_t count = 0;

    if (!entries && again >= 0)
        close(again);
    for (struct dirent *entry; entries && (entry = readdir(entries));)
        count += entry->d_ino == file->st_ino;
    if (entries)
        closedir(entries);
    return count;
}

/* As disks have that were being written when their process was killed, and as somebody may have
 * made to be given a file of others. */
static bool has_name_elsewhere(int directory, const struct stat *file)
{
    return S_ISREG(file->st_mode) && file->st_nlink > 1 &&
           count_names(directory, file) < file->st_nlink;
}

/* What no name outside leads to; links are neither followed nor changed. 0 or -errno. */
static int give(const struct giving *giving, int directory, const char *name)
{
    int file = openat(directory, name, O_PATH | O_NOFOLLOW | O_CLOEXEC), error = 0;
    struct stat status;

    if (file < 0 || fstat(file, &status))
        error = -errno;
    else if ((!S_ISREG(status.st_mode) && !S_ISDIR(status.st_mode)) ||
             status.st_uid == giving->to->uid || (giving->is_elsewhere && status.st_uid))
        error = 0;
    else if (has_name_elsewhere(directory, &status))
        error = -EMLINK;
    else if (fchownat(file, "", giving->to->uid, giving->to->gid, AT_EMPTY_PATH))
        error = -errno;
    if (file >= 0)
        close(file);
    return error;
}

/* "NAME.img", "NAME.json", "NAME.tokens" ...; a name may have dots of its own. */
static bool is_of_volume(const struct name_index *volumes, const char *file)
{
    char name[NAME_MAX + 1];

    for (const char *dot = file; (dot = strchr(dot, '.')); dot++) {
        snprintf(name, sizeof(name), "%.*s", (int)(dot - file), file);
        if (name_index_find(volumes, name) >= 0)
            return true;
    }
    return false;
}

/* A directory that a volume has, and what is in it. */
static int give_whole(const struct giving *giving, int parent, const char *name)
{
    int directory = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *entries = directory < 0 ? NULL : fdopendir(directory);
    int error = entries ? give(giving, parent, name) : -errno;

    for (struct dirent *entry; !error && (entry = readdir(entries));)
        if (strcmp(entry->d_name, ".") && strcmp(entry->d_name, ".."))
            error = give(giving, directory, entry->d_name);
    if (entries)
        closedir(entries);
    return error == -ENOTDIR ? give(giving, parent, name) : error;
}

/* Most are files, and the file system may say so. */
static int give_either(const struct giving *giving, int parent, const struct dirent *entry)
{
    return entry->d_type == DT_REG ? give(giving, parent, entry->d_name)
                                   : give_whole(giving, parent, entry->d_name);
}

static int give_volumes(const struct giving *giving, const char *volumes)
{
    DIR *entries = opendir(volumes);
    int error = entries ? 0 : -errno;

    if (entries && !giving->is_elsewhere)
        error = give(giving, dirfd(entries), ".");
    for (struct dirent *entry; !error && (entry = readdir(entries));)
        if (is_of_volume(&giving->volumes, entry->d_name))
            error = give_either(giving, dirfd(entries), entry);
    if (entries)
        closedir(entries);
    return error;
}

static bool is_link(const char *path)
{
    struct stat status;

    return !lstat(path, &status) && S_ISLNK(status.st_mode);
}

/* ---- the user ---- */

static void take_user(struct confinement *confinement, const struct passwd *user)
{
    confinement->becomes_user = user && user->pw_uid != geteuid();
    if (user) {
        confinement->uid = user->pw_uid;
        confinement->gid = user->pw_gid;
    }
}

static void choose(struct confinement *confinement, const char *volumes)
{
    struct stat owner;

    if (stat(volumes, &owner) || owner.st_uid == 0) {
        if (!is_link(volumes)) /* a directory elsewhere stays its owner's */
            take_user(confinement, getpwnam(fallback));
        return;
    }
    confinement->becomes_user = owner.st_uid != geteuid();
    confinement->uid = owner.st_uid;
    confinement->gid = owner.st_gid;
}

static char *take_configured(struct confinement *confinement, const struct cluster_config *config)
{
    char *missing, *wrong = NULL;

    take_user(confinement, getpwnam(config->user));
    missing = confinement->becomes_user ? capabilities_missing(needed, NEEDED) : NULL;
    if (missing)
        wrong = memory_format("%s: user = %s needs %s: run it as root, or leave the key out",
                              config->path, config->user, missing);
    free(missing);
    return wrong;
}

static char *explain(const struct confinement *confinement, const char *volumes, int error)
{
    if (error == -EMLINK)
        return memory_format("%s: a file in it has a second name somewhere else (a hard link), "
                             "whose owner would change too: copy it, or set user = to who has it",
                             volumes);
    return memory_format("%s: cannot be given to user %u: %s; leave user = out to go without",
                         volumes, (unsigned)confinement->uid, strerror(-error));
}

char *confinement_decide(struct confinement *confinement, const struct cluster_config *config,
                         const char *volumes)
{
    char *missing;

    *confinement =
        (struct confinement){.is_on = config->has_sandbox, .uid = geteuid(), .gid = getegid()};
    if (!confinement->is_on)
        return NULL;
    if (config->user)
        return take_configured(confinement, config);
    missing = capabilities_missing(needed, NEEDED);
    if (!missing)
        choose(confinement, volumes);
    free(missing);
    return NULL;
}

static int give_all(const struct confinement *to, const struct cluster_config *config,
                    const char *volumes)
{
    struct giving giving = {.to = to, .is_elsewhere = is_link(volumes)};
    int error;

    for (size_t i = 0; i < config->volume_count; i++)
        name_index_add(&giving.volumes, config->volumes[i].name, i);
    error = give_volumes(&giving, volumes);
    name_index_free(&giving.volumes);
    return error;
}

char *confinement_prepare(struct confinement *confinement, const struct cluster_config *config,
                          const char *directory)
{
    char *volumes = memory_format("%s/volumes", directory);
    char *wrong = confinement_decide(confinement, config, volumes);
    /* Root without capabilities cannot open what belongs to others either. */
    bool is_root = confinement->is_on && !geteuid();
    int error = !wrong && is_root ? give_all(confinement, config, volumes) : 0;

    if (error && (config->user || error == -EMLINK))
        wrong = explain(confinement, volumes, error);
    confinement->becomes_user &= !error;
    free(volumes);
    return wrong;
}

char *confinement_missing(void)
{
    return capabilities_missing(needed, NEEDED);
}

json_t *confinement_build(const struct confinement *confinement)
{
    /* Who may trace everybody needs no leave to take a dead node's sockets. */
    bool is_dumpable = !capabilities_have(CAP_SYS_PTRACE);

    if (!confinement->is_on)
        return json_false();
    return confinement->becomes_user
               ? json_pack("{s:I, s:I, s:b}", "uid", (json_int_t)confinement->uid, "gid",
                           (json_int_t)confinement->gid, "dumpable", is_dumpable)
               : json_pack("{s:b}", "dumpable", is_dumpable);
}
