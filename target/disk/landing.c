#include "target/disk/landing.h"

#include "target/base/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

bool landing_read_boot(char boot[static LANDING_BOOT_SIZE])
{
    int file = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
    ssize_t length = file < 0 ? -1 : read(file, boot, LANDING_BOOT_SIZE - 1);

    if (file >= 0)
        close(file);
    boot[length > 0 ? length : 0] = '\0';
    return length > 0;
}

/* NULL with errno set. */
static uint8_t *map_new_file(const char *path, size_t length)
{
    int file = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    void *bytes = MAP_FAILED;

    if (file < 0)
        return NULL;
    if (!fallocate(file, 0, 0, (off_t)length))
        bytes = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (bytes == MAP_FAILED)
        unlink(path);
    close(file);
    return bytes == MAP_FAILED ? NULL : bytes;
}

struct landing *landing_new(const char *path, size_t room, const char *boot)
{
    size_t length = 2 * LANDING_PAGE + room;
    uint8_t *bytes;
    struct landing *landing;

    if (unlink(path) && errno != ENOENT)
        return NULL;
    bytes = map_new_file(path, length);
    if (!bytes)
        return NULL;
    landing = memory_new(sizeof *landing);
    landing->path = memory_copy_text(path);
    landing->memory.bytes = bytes;
    landing->memory.length = length;
    landing->record = (struct landing_record *)bytes;
    landing->page = bytes + LANDING_PAGE;
    landing->room = landing->page + LANDING_PAGE;
    strncpy(landing->record->boot, boot, LANDING_BOOT_SIZE - 1);
    guarded_watch(&landing->memory);
    return landing;
}

void landing_free(struct landing *landing)
{
    if (!landing)
        return;
    guarded_watch(NULL);
    unlink(landing->path);
    munmap(landing->memory.bytes, landing->memory.length);
    free(landing->path);
    free(landing);
}
