#include "sim-cluster/volumes.h"

#include "target/base/json_file.h"
#include "target/base/memory.h"
#include "target/base/segment.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

/* NAA 6: the digit, a company id (a locally administered one, nobody's), 100 bits of ours. */
#define NAA_PREFIX "6025350"

enum {
    SERIAL_LIMIT = 1000000000,
    SYNC_EACH_MAX = 64, /* up to so many files do not wait for what others have written */
};

static char *cannot(const char *path, const char *what)
{
    return memory_format("%s: cannot be %s: %s", path, what, strerror(errno));
}

static json_t *new_identity(const struct volume_config *volume)
{
    uint64_t random[3];

    if (getrandom(random, sizeof(random), 0) != sizeof(random))
        return NULL;
    char *serial = memory_format("%llu", SERIAL_LIMIT + (unsigned long long)random[0] %
                                                            (UINT64_C(9) * SERIAL_LIMIT));
    char *naa = memory_format(NAA_PREFIX "%016llx%09llx", (unsigned long long)random[1],
                              (unsigned long long)random[2] & 0xfffffffffULL);
    json_t *identity =
        json_pack("{s:s, s:s, s:s, s:I, s:I, s:i, s:i}", "volume", volume->name, "serial", serial,
                  "naa", naa, "size", (json_int_t)volume->size, "configured_size",
                  (json_int_t)volume->size, "block_size", volume->block_size, "generation", 1);

    free(serial);
    free(naa);
    return identity;
}

/* 0 or -1 with errno. It is in force when it is synced and renamed. `begins`: what is waited for
 * later is on its way. */
static int write_identity(const char *temporary, const json_t *identity, bool begins)
{
    char *content = json_dumps(identity, JSON_INDENT(2));
    int fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
    ssize_t length = (ssize_t)strlen(content);
    int failed = fd < 0 || write(fd, content, (size_t)length) != length;
    int error = errno;

    if (!failed && begins)
        sync_file_range(fd, 0, 0, SYNC_FILE_RANGE_WRITE);
    if (fd >= 0)
        close(fd);
    free(content);
    errno = error;
    return failed ? -1 : 0;
}

/* Whether it is another value than before. */
static bool set_number(json_t *identity, const char *key, uint64_t value)
{
    const json_t *before = json_object_get(identity, key);
    bool differs = !json_is_integer(before) || json_integer_value(before) != (json_int_t)value;

    if (differs)
        json_object_set_new(identity, key, json_integer((json_int_t)value));
    return differs;
}

/* An existing identity against the configuration: sizes may only grow. A volume that was resized at
 * run time keeps the size it got (its file tells, as its identity may have been written before)
 * until the configuration says another one. */
static char *adapt(struct volume_config *volume, const char *path, json_t *identity,
                   uint64_t file_size, bool *is_changed)
{
    uint64_t size = (uint64_t)json_integer_value(json_object_get(identity, "size"));
    json_t *member = json_object_get(identity, "configured_size");
    uint64_t configured = json_is_integer(member) ? (uint64_t)json_integer_value(member) : size;
    json_int_t block_size = json_integer_value(json_object_get(identity, "block_size"));

    if (block_size != volume->block_size)
        return memory_format("%s: volume %s has blocks of %lld bytes, the configuration says %d",
                             path, volume->name, (long long)block_size, volume->block_size);
    if (file_size > size)
        size = file_size;
    *is_changed = set_number(identity, "configured_size", volume->size);
    if (volume->size == configured)
        volume->size = size;
    if (size > volume->size)
        return memory_format("%s: volume %s has %llu bytes, the configuration says %llu: a volume "
                             "does not shrink",
                             path, volume->name, (unsigned long long)size,
                             (unsigned long long)volume->size);
    *is_changed |= set_number(identity, "size", volume->size);
    return NULL;
}

/* Of all files of a volume. */
static uint64_t size_of(const char *path)
{
    uint64_t size = 0;
    unsigned number = 0;
    struct stat status;
    bool is_there;

    do {
        char *file = segment_path(path, number);

        is_there = !lstat(file, &status);
        size += is_there ? (uint64_t)status.st_size : 0;
        free(file);
    } while (is_there && (uint64_t)status.st_size == SEGMENT_SIZE && ++number);
    return size;
}

static int set_file_size(int fd, const struct volume_config *volume, uint64_t size)
{
    struct stat status;

    if (fstat(fd, &status) || ((uint64_t)status.st_size != size && ftruncate(fd, (off_t)size)))
        return -errno;
    if (!volume->is_thin && fallocate(fd, 0, 0, (off_t)size) && errno != EOPNOTSUPP)
        return -errno;
    return 0;
}

/* What a thick volume promises is there when this returns; the size is in force when it is synced.
 */
static int set_size(const char *path, const struct volume_config *volume, uint64_t size)
{
    int error = size > VOLUME_MAXIMUM ? -EFBIG : 0;

    for (unsigned i = 0; i < segment_count(size) && !error; i++) {
        char *file = segment_path(path, i);
        int fd = open(file, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);

        error = fd < 0 ? -errno : set_file_size(fd, volume, segment_size(size, i));
        if (fd >= 0)
            close(fd);
        free(file);
    }
    return error;
}

/* `size`: of the files that there are. */
static char *prepare_image(const struct volume_config *volume, const char *path, uint64_t size)
{
    bool is_ready = volume->is_thin && size >= volume->size;
    int error = is_ready ? 0 : set_size(path, volume, size > volume->size ? size : volume->size);

    return error ? memory_format("%s: cannot hold the %llu bytes of volume %s: %s", path,
                                 (unsigned long long)volume->size, volume->name, strerror(-error))
                 : NULL;
}

/* NULL: `error` says why. */
static json_t *read_identity(const char *path, json_error_t *error)
{
    int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    json_t *identity;

    if (fd < 0) {
        snprintf(error->text, sizeof(error->text), "%s", strerror(errno));
        return NULL;
    }
    identity = json_file_read(fd, error);
    close(fd);
    return identity;
}

/* The files of a volume; texts are owned. */
struct files {
    char *image, *identity, *temporary;
};

static struct files files_of(const char *volumes, const struct volume_config *volume)
{
    return (struct files){
        .image = memory_format("%s/%s.img", volumes, volume->name),
        .identity = memory_format("%s/%s.json", volumes, volume->name),
        .temporary = memory_format("%s/%s.json.new", volumes, volume->name),
    };
}

static void free_files(struct files *files)
{
    free(files->image);
    free(files->identity);
    free(files->temporary);
}

/* The directory of the volumes while they are prepared. */
struct preparation {
    const char *volumes; /* borrowed: its path */
    int directory;       /* open since before the first is written: it tells what fails since */
    bool syncs_at_once;  /* one call for thousands of files */
    bool *is_written;    /* owned: a volume has a new identity */
    size_t written;
};

static char *prepare(struct preparation *preparation, struct volume_config *volume,
                     const struct files *files, bool *is_written)
{
    json_error_t error;
    bool exists = !access(files->identity, F_OK);
    json_t *identity = exists ? read_identity(files->identity, &error) : new_identity(volume);
    uint64_t size = size_of(files->image);
    char *wrong = NULL;

    *is_written = !exists;
    if (!json_is_object(identity))
        wrong = memory_format("%s: is not the identity of a volume: %s", files->identity,
                              exists ? error.text : "no random numbers");
    else if (exists)
        wrong = adapt(volume, files->identity, identity, size, is_written);
    if (!wrong)
        wrong = prepare_image(volume, files->image, size);
    if (!wrong && *is_written &&
        write_identity(files->temporary, identity, !preparation->syncs_at_once))
        wrong = cannot(files->temporary, "written");
    preparation->written += *is_written;
    json_decref(identity);
    return wrong;
}

static char *prepare_all(struct preparation *preparation, struct cluster_config *config)
{
    char *wrong = NULL;

    for (size_t i = 0; i < config->volume_count && !wrong; i++) {
        struct files files = files_of(preparation->volumes, &config->volumes[i]);

        wrong = prepare(preparation, &config->volumes[i], &files, &preparation->is_written[i]);
        free_files(&files);
    }
    return wrong;
}

/* 0 or -1 with errno. */
static int sync_to_disk(const char *path)
{
    int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    int failed = fd < 0 || fsync(fd);

    if (fd >= 0)
        close(fd);
    return failed ? -1 : 0;
}

/* 0 or -errno */
static int sync_image(const char *path, uint64_t size)
{
    int error = 0;

    for (unsigned i = 0; i < segment_count(size) && !error; i++) {
        char *file = segment_path(path, i);

        error = sync_to_disk(file) ? -errno : 0;
        free(file);
    }
    return error;
}

/* Whether syncfs makes files as safe as an fsync of each does. */
static bool can_sync_at_once(int directory)
{
    static const unsigned magics[] = {EXT4_SUPER_MAGIC, XFS_SUPER_MAGIC, BTRFS_SUPER_MAGIC,
                                      TMPFS_MAGIC, OVERLAYFS_SUPER_MAGIC};
    struct statfs about;

    for (size_t i = 0; !fstatfs(directory, &about) && i < sizeof(magics) / sizeof(*magics); i++)
        if ((unsigned)about.f_type == magics[i])
            return true;
    return false;
}

/* A new identity takes the place of the old one, whole. The image needs no sync yet: each start
 * gives it its size again, and what hosts flush is synced with it. */
static char *commit(const struct files *files, bool is_synced)
{
    if (!is_synced && sync_to_disk(files->temporary))
        return cannot(files->temporary, "synced");
    return rename(files->temporary, files->identity) ? cannot(files->identity, "written") : NULL;
}

static char *commit_all(struct preparation *preparation, const struct cluster_config *config)
{
    bool is_synced = preparation->syncs_at_once && preparation->written > SYNC_EACH_MAX;
    char *wrong = NULL;

    if (is_synced && syncfs(preparation->directory))
        return cannot(preparation->volumes, "synced");
    for (size_t i = 0; i < config->volume_count && !wrong; i++) {
        if (!preparation->is_written[i])
            continue;
        struct files files = files_of(preparation->volumes, &config->volumes[i]);

        wrong = commit(&files, is_synced);
        free_files(&files);
    }
    return wrong || !fsync(preparation->directory) ? wrong : cannot(preparation->volumes, "synced");
}

/* Of a start that was cut short. */
static void clear_temporaries(const char *volumes)
{
    static const char ending[] = ".json.new";
    DIR *entries = opendir(volumes);

    for (struct dirent *entry; entries && (entry = readdir(entries));) {
        size_t length = strlen(entry->d_name);

        if (length >= sizeof(ending) &&
            !strcmp(entry->d_name + length + 1 - sizeof(ending), ending))
            unlinkat(dirfd(entries), entry->d_name, 0);
    }
    if (entries)
        closedir(entries);
}

static char *prepare_and_commit(struct preparation *preparation, struct cluster_config *config)
{
    char *wrong = prepare_all(preparation, config);

    return wrong ? wrong : commit_all(preparation, config);
}

/* All is written before the first file is waited for: thousands of volumes take few commits of the
 * file system's journal. */
char *volumes_prepare(struct cluster_config *config, const char *directory)
{
    char *volumes = memory_format("%s/volumes", directory), *wrong;
    struct preparation preparation = {
        .volumes = volumes,
        .directory = open(volumes, O_RDONLY | O_DIRECTORY | O_CLOEXEC),
        .is_written = memory_new(config->volume_count * sizeof(bool)),
    };

    if (preparation.directory < 0) {
        wrong = cannot(volumes, "opened");
    } else {
        preparation.syncs_at_once = can_sync_at_once(preparation.directory);
        clear_temporaries(volumes);
        wrong = prepare_and_commit(&preparation, config);
        close(preparation.directory);
    }
    free(preparation.is_written);
    free(volumes);
    return wrong;
}

int volumes_resize(const struct volume_config *volume, const char *directory, uint64_t size)
{
    char *path = memory_format("%s/volumes/%s.img", directory, volume->name);
    /* A node has opened the files that there were. */
    bool is_more_files = segment_count(size) > segment_count(size_of(path));
    int error = is_more_files ? -EFBIG : set_size(path, volume, size);

    if (!error)
        error = sync_image(path, size);
    free(path);
    return error;
}
