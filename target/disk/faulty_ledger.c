/* The ledger of a faulty disk: what it did to data behind the back of the initiator, a JSON object
 * a line. */
#include "target/base/event.h"
#include "target/disk/faulty_io.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

void faulty_disk_enter_harm(struct faulty_disk *faulty, const char *fault, const char *kind,
                            const struct disk_io *io, const char *what)
{
    char stamp[EVENT_TIME_SIZE], *line;
    int fd = open(faulty->ledger, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    json_t *entry;

    if (fd < 0)
        return;
    event_format_time(stamp, event_now());
    entry = json_pack("{s:s, s:s, s:s, s:s, s:s, s:I, s:I}", "time", stamp, "volume",
                      faulty->volume, "fault", fault, "kind", kind, "harm", what, "offset",
                      (json_int_t)io->offset, "length", (json_int_t)io->length);
    line = json_dumps(entry, JSON_COMPACT);
    (void)!dprintf(fd, "%s\n", line);
    free(line);
    json_decref(entry);
    close(fd);
}
