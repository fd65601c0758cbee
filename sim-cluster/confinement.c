#include "sim-cluster/confinement.h"

#include "sim-cluster/capabilities.h"
#include "target/base/memory.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <pwd.h>
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

/* What no name outside leads to; links are neither followed nor changed. 0 or -errno. */
static int give(const struct confinement *to, int directory, const char *name)
{
    int file = openat(directory, name, O_PATH | O_NOFOLLOW | O_CLOEXEC), error = 0;
    struct stat status;

    if (file < 0 || fstat(file, &status))
        error = -errno;
    else if ((!S_ISREG(status.st_mode) && !S_ISDIR(status.st_mode)) || status.st_uid == to->uid)
        error = 0;
    else if (S_ISREG(status.st_mode) && status.st_nlink > 1)
        error = -EMLINK;
    else if (fchownat(file, "", to->uid, to->gid, AT_EMPTY_PATH))
        error = -errno;
    if (file >= 0)
        close(file);
    return error;
}

/* A directory and what is in it, and so on. */
static int give_all(const struct confinement *to, int parent, const char *name)
{
    int directory = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *entries = directory < 0 ? NULL : fdopendir(directory);
    int error = entries ? give(to, directory, ".") : -errno;

    for (struct dirent *entry; !error && (entry = readdir(entries));) {
        if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
            continue;
        error = give_all(to, directory, entry->d_name);
        if (error == -ENOTDIR)
            error = give(to, directory, entry->d_name);
    }
    if (entries)
        closedir(entries);
    return error;
}

static int give_volumes(const struct confinement *to, const char *volumes)
{
    int directory = open(volumes, O_RDONLY | O_DIRECTORY | O_CLOEXEC); /* may be a link */
    int error = directory < 0 ? -errno : give_all(to, directory, ".");

    if (directory >= 0)
        close(directory);
    return error;
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

char *confinement_prepare(struct confinement *confinement, const struct cluster_config *config,
                          const char *directory)
{
    char *volumes = memory_format("%s/volumes", directory);
    char *wrong = confinement_decide(confinement, config, volumes);
    /* Root without capabilities cannot open what belongs to others either. */
    bool is_root = confinement->is_on && !geteuid();
    int error = !wrong && is_root ? give_volumes(confinement, volumes) : 0;

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
               ? json_pack("{s:i, s:i, s:b}", "uid", (int)confinement->uid, "gid",
                           (int)confinement->gid, "dumpable", is_dumpable)
               : json_pack("{s:b}", "dumpable", is_dumpable);
}
