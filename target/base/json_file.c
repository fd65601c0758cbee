#include "target/base/json_file.h"

#include "target/base/buffer.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { READ_SIZE = 4096 };

json_t *json_file_read(int descriptor, json_error_t *error)
{
    struct buffer text = {0};
    json_t *json = NULL;
    ssize_t got;

    do {
        got = read(descriptor, buffer_reserve(&text, READ_SIZE), READ_SIZE);
        buffer_added(&text, got > 0 ? (size_t)got : 0);
    } while (got > 0 || (got < 0 && errno == EINTR));
    if (got < 0)
        snprintf(error->text, sizeof(error->text), "%s", strerror(errno));
    else
        json = json_loadb(buffer_content(&text), text.length, 0, error);
    buffer_free(&text);
    return json;
}
