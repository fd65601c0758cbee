#include "target/base/memory.h"

#include <malloc.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *insist(void *memory)
{
    if (!memory) {
        fputs("out of memory: give the machine more, or serve fewer sessions\n", stderr);
        exit(1);
    }
    return memory;
}

/* What is small comes from the thread's own cache, which calloc() passes by. */
void *memory_new(size_t size)
{
    enum { SMALL = 1024 };

    return size && size <= SMALL ? memset(insist(malloc(size)), 0, size)
                                 : insist(calloc(1, size ? size : 1));
}

void *memory_resize(void *memory, size_t size)
{
    return insist(realloc(memory, size ? size : 1));
}

char *memory_copy_text(const char *text)
{
    return insist(strdup(text));
}

char *memory_format(const char *format, ...)
{
    char *text = NULL;
    va_list arguments;

    va_start(arguments, format);
    if (vasprintf(&text, format, arguments) < 0)
        text = NULL;
    va_end(arguments);
    return insist(text);
}

void memory_return(void)
{
    malloc_trim(0);
}
