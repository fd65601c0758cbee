/* What doctor says about the file system that the volumes are in: what it does not know it tries on
 * a file without a name. */
#include "sim-cluster/doctor.h"
#include "sim-cluster/tables.h"
#include "target/base/memory.h"
#include "target/base/segment.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/un.h>
#include <unistd.h>

enum { MIB = 1 << 20, TRIED = 16 * MIB, PART = MIB, BLOCK = 512 };

/* A file that is gone when it is closed. -1 with errno. */
static int open_nameless(const char *directory)
{
    char *path = memory_format("%s/.doctor-XXXXXX", directory);
    int file = mkostemp(path, O_CLOEXEC), error = errno;

    if (file >= 0)
        unlink(path);
    free(path);
    errno = error;
    return file;
}

struct finding doctor_directory(const struct doctor *doctor)
{
    int file = open_nameless(doctor->place), error = file < 0 ? errno : 0;
    size_t most = sizeof(((struct sockaddr_un *)0)->sun_path) - sizeof("/control.sock");

    if (file >= 0)
        close(file);
    if (error)
        return finding_bad(
            FINDING_MISSING,
            memory_format("%s cannot be written: %s", doctor->place, strerror(error)),
            memory_copy_text("Name another one with --state DIR."));
    if (strlen(doctor->directory) > most)
        return finding_bad(FINDING_MISSING,
                           memory_format("%s is too long for a socket in it", doctor->directory),
                           memory_copy_text("Name a shorter one with --state DIR."));
    return finding_ok(memory_copy_text(doctor->directory));
}

static uint64_t allocated(int file)
{
    struct stat status;

    return fstat(file, &status) ? 0 : (uint64_t)status.st_blocks * BLOCK;
}

/* Bytes that a file of TRIED bytes takes with PART of them written, and after a hole was punched.
 * 0 or -errno: of the punching. */
static int try_holes(int file, uint64_t *written, uint64_t *punched)
{
    char *bytes = memory_new(PART);
    int error = 0;

    memset(bytes, 1, PART);
    if (ftruncate(file, TRIED) || pwrite(file, bytes, PART, PART) != PART || fsync(file))
        error = -errno;
    *written = allocated(file);
    if (!error &&
        (fallocate(file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, PART, PART) || fsync(file)))
        error = -errno;
    *punched = allocated(file);
    free(bytes);
    return error;
}

struct finding doctor_holes(const struct doctor *doctor)
{
    int file = open_nameless(doctor->volumes), error;
    uint64_t written, punched;

    if (file < 0)
        return finding_bad(FINDING_WARNING,
                           memory_format("not tried: %s: %s", doctor->volumes, strerror(errno)),
                           memory_copy_text("Name another state directory with --state DIR."));
    error = try_holes(file, &written, &punched);
    close(file);
    if (error && error != -EOPNOTSUPP)
        return finding_bad(FINDING_MISSING,
                           memory_format("%s: %s", doctor->volumes, strerror(-error)),
                           memory_copy_text("Make room there, or name another state directory with "
                                            "--state DIR."));
    if (written >= TRIED)
        return finding_bad(
            FINDING_MISSING,
            memory_format("none in %s: volumes take all their size at once", doctor->volumes),
            memory_copy_text("Put the state directory on ext4, XFS, Btrfs or tmpfs "
                             "with --state DIR."));
    if (error || punched >= written)
        return finding_bad(FINDING_WARNING,
                           memory_format("none can be punched in %s", doctor->volumes),
                           memory_copy_text("What hosts unmap takes space all the same: put the "
                                            "state directory on ext4, XFS, Btrfs or tmpfs."));
    return finding_ok(memory_format("in %s, and they can be punched", doctor->volumes));
}

struct finding doctor_file_size(const struct doctor *doctor)
{
    int file = open_nameless(doctor->volumes), error = 0;
    uint64_t largest = 0;
    char text[16];

    for (size_t i = 0; i < doctor->config->volume_count; i++)
        if (doctor->config->volumes[i].size > largest)
            largest = doctor->config->volumes[i].size;
    largest = segment_size(largest, 0);
    if (file >= 0 && ftruncate(file, (off_t)largest))
        error = errno;
    if (file >= 0)
        close(file);
    tables_format_bytes(text, (long long)largest);
    if (!error)
        return finding_ok(memory_format("%s, as the largest volume needs", text));
    return finding_bad(
        FINDING_MISSING,
        memory_format("no file of %s in %s: %s", text, doctor->volumes, strerror(error)),
        memory_copy_text("Use another file system (--state DIR), a higher \"ulimit "
                         "-f\", or smaller volumes."));
}

/* What a volume may still take. */
static uint64_t lacking(const struct doctor *doctor, const struct volume_config *volume)
{
    char *path = memory_format("%s/volumes/%s.img", doctor->directory, volume->name);
    struct stat status = {0};
    uint64_t has = stat(path, &status) ? 0 : (uint64_t)status.st_blocks * BLOCK;

    free(path);
    return has < volume->size ? volume->size - has : 0;
}

struct finding doctor_space(const struct doctor *doctor)
{
    uint64_t promised = 0, needed = 0, room;
    char has[16], wants[16];
    struct statvfs file_system;

    if (statvfs(doctor->volumes, &file_system))
        return finding_bad(FINDING_WARNING, memory_format("not known: %s", strerror(errno)), NULL);
    room = (uint64_t)file_system.f_bavail * file_system.f_frsize;
    for (size_t i = 0; i < doctor->config->volume_count; i++) {
        uint64_t bytes = lacking(doctor, &doctor->config->volumes[i]);

        promised += bytes;
        needed += doctor->config->volumes[i].is_thin ? 0 : bytes;
    }
    tables_format_bytes(has, (long long)room);
    tables_format_bytes(wants, (long long)(needed > room ? needed : promised));
    if (needed > room)
        return finding_bad(FINDING_MISSING,
                           memory_format("%s free, %s needed for thick volumes", has, wants),
                           memory_copy_text("Make room, set thin = yes, or name another state "
                                            "directory with --state DIR."));
    if (promised > room)
        return finding_bad(FINDING_WARNING,
                           memory_format("%s free, %s promised by thin volumes", has, wants),
                           memory_copy_text("A host that fills them runs out of space: make room, "
                                            "or limit them by a [pool]."));
    return finding_ok(memory_format("%s free, %s promised", has, wants));
}
