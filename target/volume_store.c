#include "target/volume_store.h"

#include "target/base/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char member[] = "scsi";

struct volume_store {
    struct scsi_store store;
    struct workers *workers;           /* borrowed */
    json_t *identity;                  /* owned; all of the file */
    char *directory, *path, *new_path; /* owned */
    struct work work;
    char *text; /* owned while a save is under way */
    int error;
    scsi_saved *done;
    void *owner;
};

json_t *volume_store_state(json_t *identity)
{
    return json_object_get(identity, member);
}

static int write_all(int descriptor, const char *text)
{
    for (size_t length = strlen(text); length;) {
        ssize_t written = write(descriptor, text, length);

        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0)
            return -errno;
        text += written;
        length -= (size_t)written;
    }
    return 0;
}

static int write_file(const char *path, const char *text)
{
    int descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    int error;

    if (descriptor < 0)
        return -errno;
    error = write_all(descriptor, text);
    if (!error && fsync(descriptor))
        error = -errno;
    close(descriptor);
    return error;
}

static int sync_directory(const char *path)
{
    int descriptor = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int error;

    if (descriptor < 0)
        return -errno;
    error = fsync(descriptor) ? -errno : 0;
    close(descriptor);
    return error;
}

/* On a worker: the file is the old or the new one, whatever happens. */
static void write_state(struct work *work)
{
    struct volume_store *store = container_of(work, struct volume_store, work);

    store->error = write_file(store->new_path, store->text);
    if (!store->error && rename(store->new_path, store->path))
        store->error = -errno;
    if (!store->error)
        store->error = sync_directory(store->directory);
}

static void on_written(struct work *work)
{
    struct volume_store *store = container_of(work, struct volume_store, work);

    free(store->text);
    store->text = NULL;
    store->done(store->owner, store->error);
}

static void save(struct scsi_store *base, json_t *state, scsi_saved *done, void *owner)
{
    struct volume_store *store = container_of(base, struct volume_store, store);

    json_object_set(store->identity, member, state);
    store->text = json_dumps(store->identity, JSON_INDENT(1));
    store->done = done;
    store->owner = owner;
    workers_add(store->workers, &store->work);
}

bool volume_store_set_size(struct scsi_store *base, uint64_t size)
{
    struct volume_store *store = container_of(base, struct volume_store, store);
    json_int_t was = json_integer_value(json_object_get(store->identity, "size"));

    json_object_set_new(store->identity, "size", json_integer((json_int_t)size));
    return was != (json_int_t)size;
}

static void close_store(struct scsi_store *base)
{
    struct volume_store *store = container_of(base, struct volume_store, store);

    json_decref(store->identity);
    free(store->directory);
    free(store->path);
    free(store->new_path);
    free(store);
}

struct scsi_store *volume_store_new(struct workers *workers, const char *directory,
                                    const char *volume, json_t *identity)
{
    struct volume_store *store = memory_new(sizeof *store);

    store->store = (struct scsi_store){save, close_store};
    store->workers = workers;
    store->identity = json_copy(identity);
    store->directory = memory_copy_text(directory);
    store->path = memory_format("%s/%s.json", directory, volume);
    store->new_path = memory_format("%s.new", store->path);
    store->work = (struct work){.run = write_state, .done = on_written};
    return &store->store;
}
