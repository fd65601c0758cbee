/* Memory that is always there: when the system has none left, the process ends with one sentence.
 */
#pragma once

#include <stddef.h>

/* Zeroed; the caller owns it and releases it with free(). */
void *memory_new(size_t size);
void *memory_resize(void *memory, size_t size);
char *memory_copy_text(const char *text);

/* Free memory goes back to the system, after much of it was used for a moment. */
void memory_return(void);

/* A formatted text of its own. */
char *memory_format(const char *format, ...) __attribute__((format(printf, 1, 2)));
