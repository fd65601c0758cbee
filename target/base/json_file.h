/* A JSON text in a file. */
#pragma once

#include <jansson.h>

/* An owned value, from where the descriptor is to the end. NULL: error->text says why. (Jansson's
 * own function for this makes a system call a byte.) */
json_t *json_file_read(int descriptor, json_error_t *error);
