#include "target/token_store.h"

#include "target/base/memory.h"
#include "target/scsi/token.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { CLEAR_EVERY = 64, TEXT_MAXIMUM = 16 * 1024, DIRECTORY_MODE = 0700, FILE_MODE = 0600 };

/* Reads the file of a token; *used_s is the time of its last use. NULL: errno says why. */
static char *read_text(int directory, const char *path, int64_t *used_s)
{
    int descriptor = openat(directory, path, O_RDONLY | O_CLOEXEC);
    char *text = memory_new(TEXT_MAXIMUM);
    struct stat status;
    ssize_t count = -1;

    if (descriptor >= 0 && fstat(descriptor, &status) == 0)
        count = read(descriptor, text, TEXT_MAXIMUM - 1);
    if (count >= 0)
        *used_s = status.st_mtime;
    if (descriptor >= 0)
        close(descriptor);
    if (count >= 0)
        return text;
    free(text);
    return NULL;
}

static int write_text(const char *path, const char *text)
{
    int descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, FILE_MODE);
    size_t length = strlen(text);
    int error = 0;

    if (descriptor < 0)
        return -errno;
    if (write(descriptor, text, length) != (ssize_t)length)
        error = -ENOSPC;
    close(descriptor);
    if (error)
        unlink(path);
    return error;
}

/* Forgets what nobody can use any more. */
static void clear(const char *path)
{
    DIR *directory = opendir(path);
    struct dirent *entry;
    struct stat status;

    while (directory && (entry = readdir(directory)))
        if (fstatat(dirfd(directory), entry->d_name, &status, 0) == 0 && S_ISREG(status.st_mode) &&
            status.st_mtime + TOKEN_LIFETIME < time(NULL))
            unlinkat(dirfd(directory), entry->d_name, 0);
    if (directory)
        closedir(directory);
}

static int keep(struct token_request *request)
{
    char *directory =
        memory_format("%.*s", (int)(strrchr(request->path, '/') - request->path), request->path);

    mkdir(directory, DIRECTORY_MODE); /* it may be there; if it cannot be, the next step says so */
    if (request->number % CLEAR_EVERY == 0)
        clear(directory);
    free(directory);
    return write_text(request->path, request->text);
}

/* Under another name: whoever comes late learns what became of the token. */
static const struct {
    const char *suffix;
    int error;
} ends[] = {
    [TOKEN_REVOKE] = {".revoked", -ESTALE},
    [TOKEN_DELETE] = {".deleted", -ENODATA},
};

static bool has_ended(const char *path, enum token_operation end)
{
    char *other = memory_format("%s%s", path, ends[end].suffix);
    bool has = access(other, F_OK) == 0;

    free(other);
    return has;
}

static int fetch(struct token_request *request)
{
    request->text = read_text(AT_FDCWD, request->path, &request->used_s);
    if (request->text)
        return 0;
    int error = -errno;
    if (has_ended(request->path, TOKEN_REVOKE))
        error = ends[TOKEN_REVOKE].error;
    else if (has_ended(request->path, TOKEN_DELETE))
        error = ends[TOKEN_DELETE].error;
    return error;
}

static int use(struct token_request *request)
{
    return utimensat(AT_FDCWD, request->path, NULL, 0) ? -errno : 0;
}

/* Without room for another name there is still the way to have none. */
static int end(struct token_request *request)
{
    char *other = memory_format("%s%s", request->path, ends[request->operation].suffix);
    int error = rename(request->path, other) ? -errno : 0;

    if (error && error != -ENOENT)
        error = unlink(request->path) ? -errno : 0;
    free(other);
    return error;
}

static void run(struct work *work)
{
    static int (*const operations[])(struct token_request * request) = {
        [TOKEN_KEEP] = keep,  [TOKEN_FETCH] = fetch, [TOKEN_USE] = use,
        [TOKEN_REVOKE] = end, [TOKEN_DELETE] = end,
    };
    struct token_request *request = container_of(work, struct token_request, work);

    request->error = operations[request->operation](request);
}

static void on_run(struct work *work)
{
    struct token_request *request = container_of(work, struct token_request, work);

    free(request->path);
    request->done(request);
}

void token_store_do(struct workers *workers, const char *directory, const char *volume,
                    struct token_request *request)
{
    request->path = memory_format("%s/%s.tokens/%016" PRIx64, directory, volume, request->number);
    request->work.run = run;
    request->work.done = on_run;
    workers_add(workers, &request->work);
}

json_t *token_store_load(const char *directory, const char *volume)
{
    char *path = memory_format("%s/%s.tokens", directory, volume);
    DIR *entries = opendir(path);
    json_t *texts = json_array();
    struct dirent *entry;
    int64_t used_s;

    while (entries && (entry = readdir(entries))) {
        char *text =
            strchr(entry->d_name, '.') ? NULL : read_text(dirfd(entries), entry->d_name, &used_s);

        if (text)
            json_array_append_new(texts, json_string(text));
        free(text);
    }
    if (entries)
        closedir(entries);
    free(path);
    return texts;
}
