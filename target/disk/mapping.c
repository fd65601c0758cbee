#include "target/disk/mapping.h"

#include "target/base/memory.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

enum {
    PAGE = 4096,
    CHUNK = 256 << 10, /* what is looked up in the page cache at a time */
    CHUNK_PAGES = CHUNK / PAGE,
    WINDOW = 64 << 20,
    WINDOW_CHUNKS = WINDOW / CHUNK,
    WINDOWS = 8,       /* what is mapped has to be taken down when the process dies: 0.1 ms a MiB */
    LARGE = 64 << 10,  /* from here on looking costs little against reading */
    OFTEN = 4,         /* small reads of a chunk within a second */
    COUNT_SECONDS = 8, /* what is written to a chunk is counted for so long */
    BUSY_SECONDS = 30, /* as the kernel leaves a page before it puts it on the disk */
    AHEAD = 512,       /* bytes: from there on the processor looks ahead by itself */
    LINE = 64,
    IDLE_SECONDS = 10, /* a window stays so long after its last use */
};

/* What is known of a chunk holds for the second that it was found out in. */
struct chunk {
    uint32_t second;
    uint32_t counted_since; /* second */
    uint32_t written;       /* bytes since then; more than the chunk holds: it is busy */
    uint32_t busy;          /* the last second in which it became or was that, or 0 */
    uint8_t reads;          /* small ones in this second, while nobody has looked */
    bool is_known, is_cached;
};

struct window {
    struct work work;
    uint8_t *bytes;  /* owned: the mapping, which may reach beyond the end of the file */
    uint64_t number; /* in the file */
    uint32_t second; /* of its last use */
    struct chunk chunks[WINDOW_CHUNKS];
};

struct mapping {
    struct span_source source;
    struct workers *workers;         /* borrowed: outlives us */
    struct redo *redo;               /* borrowed; NULL: for reading only */
    struct window *windows[WINDOWS]; /* owned; number % WINDOWS is its place */
};

/* Never 0. */
static uint32_t this_second(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
    return (uint32_t)now.tv_sec + 1;
}

static void run_unmap(struct work *work)
{
    munmap(container_of(work, struct window, work)->bytes, WINDOW);
}

static void on_unmapped(struct work *work)
{
    free(container_of(work, struct window, work));
}

/* By a worker: taking down a window that was read all over takes milliseconds. */
static void retire(struct mapping *mapping, struct window *window)
{
    span_source_change(&mapping->source, window->number * WINDOW, WINDOW);
    window->work.run = run_unmap;
    window->work.done = on_unmapped;
    workers_add(mapping->workers, &window->work);
}

static struct window *open_window(const struct mapping *mapping, uint64_t number)
{
    void *bytes = mmap(NULL, WINDOW, mapping->redo ? PROT_READ | PROT_WRITE : PROT_READ, MAP_SHARED,
                       mapping->source.descriptor, (off_t)(number * WINDOW));

    if (bytes == MAP_FAILED)
        return NULL;
    struct window *window = memory_new(sizeof *window);
    window->bytes = bytes;
    window->number = number;
    return window;
}

/* NULL: another one is used in its place (what is read beside it is copied: windows that come and
 * go cost more than copies), or there can be none. */
static struct window *find_window(struct mapping *mapping, uint64_t number, uint32_t second)
{
    struct window **place = &mapping->windows[number % WINDOWS];

    if (*place && (*place)->number != number) {
        if (second - (*place)->second < IDLE_SECONDS)
            return NULL;
        retire(mapping, *place);
        *place = NULL;
    }
    if (!*place)
        *place = open_window(mapping, number);
    if (*place)
        (*place)->second = second;
    return *place;
}

/* At most a chunk. */
static bool look(const struct window *window, uint64_t start, uint64_t end)
{
    unsigned char pages[CHUNK_PAGES] = {0};
    uint64_t first = start / PAGE, count = (end - 1) / PAGE - first + 1;

    if (mincore(window->bytes + first * PAGE, count * PAGE, pages))
        return false;
    for (uint64_t i = 0; i < count; i++)
        if (!(pages[i] & 1))
            return false;
    return true;
}

static struct chunk *chunk_in(struct window *window, uint64_t number, uint32_t second)
{
    struct chunk *chunk = &window->chunks[number];

    if (chunk->second == second)
        return chunk;
    chunk->second = second;
    chunk->reads = 0;
    chunk->is_known = chunk->is_cached = false;
    if (second - chunk->counted_since >= COUNT_SECONDS) {
        chunk->counted_since = second;
        chunk->written = 0;
    }
    return chunk;
}

static bool is_chunk_cached(struct window *window, uint64_t number, uint32_t second, bool is_large)
{
    struct chunk *chunk = chunk_in(window, number, second);

    if (chunk->is_known)
        return chunk->is_cached;
    if (!is_large && ++chunk->reads < OFTEN)
        return false;
    chunk->is_known = true;
    chunk->is_cached = look(window, number * CHUNK, (number + 1) * CHUNK);
    return chunk->is_cached;
}

static bool is_cached(struct window *window, uint64_t start, uint64_t end, uint32_t second)
{
    bool is_large = end - start >= LARGE;

    for (uint64_t at = start, next; at < end; at = next) {
        uint64_t number = at / CHUNK;

        next = (number + 1) * CHUNK < end ? (number + 1) * CHUNK : end;
        if (!is_chunk_cached(window, number, second, is_large) &&
            !(is_large && look(window, at, next)))
            return false;
    }
    return true;
}

struct mapping *mapping_new(struct workers *workers, int descriptor, struct redo *redo)
{
    struct mapping *mapping = memory_new(sizeof *mapping);

    span_source_init(&mapping->source, descriptor);
    mapping->workers = workers;
    mapping->redo = redo;
    return mapping;
}

void mapping_free(struct mapping *mapping)
{
    if (!mapping)
        return;
    for (unsigned i = 0; i < WINDOWS; i++)
        if (mapping->windows[i])
            retire(mapping, mapping->windows[i]);
    free(mapping);
}

/* It is sent at the end of the turn: until then the processor can fetch it. No fault comes of it.
 */
static void fetch_ahead(const uint8_t *bytes, uint64_t length)
{
    for (uint64_t at = 0; at < length && at < AHEAD; at += LINE)
        __builtin_prefetch(bytes + at);
}

bool mapping_find(struct mapping *mapping, uint64_t offset, uint64_t length, struct span *span)
{
    uint64_t start = offset % WINDOW;
    uint32_t second = this_second();
    struct window *window;

    if (!length || start + length > WINDOW || mapping->source.has_failed)
        return false;
    window = find_window(mapping, offset / WINDOW, second);
    if (!window || !is_cached(window, start, start + length, second))
        return false;
    span->source = &mapping->source;
    span->bytes = window->bytes + start;
    span->offset = offset;
    span->length = (uint32_t)length;
    if (length < LARGE)
        fetch_ahead(span->bytes, length);
    return true;
}

/* All chunks of the range, which is counted in. */
static bool is_busy(struct window *window, uint64_t start, uint64_t end, uint32_t second)
{
    bool is = true;

    for (uint64_t at = start, next; at < end; at = next) {
        struct chunk *chunk = chunk_in(window, at / CHUNK, second);

        next = (at / CHUNK + 1) * CHUNK < end ? (at / CHUNK + 1) * CHUNK : end;
        chunk->written += (uint32_t)(next - at);
        if (chunk->written > CHUNK)
            chunk->busy = second;
        is &= chunk->busy && second - chunk->busy < BUSY_SECONDS;
    }
    return is;
}

static bool are_chunks_cached(struct window *window, uint64_t start, uint64_t end, uint32_t second)
{
    for (uint64_t number = start / CHUNK; number * CHUNK < end; number++)
        if (!is_chunk_cached(window, number, second, true))
            return false;
    return true;
}

bool mapping_write(struct mapping *mapping, uint64_t offset, const uint8_t *bytes, uint64_t length)
{
    uint64_t start = offset % WINDOW, end = start + length;
    uint32_t second = this_second();
    struct window *window;

    if (!mapping->redo || end > WINDOW || mapping->source.has_failed)
        return false;
    window = find_window(mapping, offset / WINDOW, second);
    return window && is_busy(window, start, end, second) &&
           are_chunks_cached(window, start, end, second) &&
           redo_copy(mapping->redo, window->bytes + start, offset, bytes, length);
}

void mapping_change(struct mapping *mapping, uint64_t offset, uint64_t length, bool goes)
{
    span_source_change(&mapping->source, offset, length);
    for (unsigned i = 0; goes && i < WINDOWS; i++) {
        struct window *window = mapping->windows[i];

        if (window && window->number * WINDOW < offset + length &&
            offset < (window->number + 1) * WINDOW)
            memset(window->chunks, 0, sizeof window->chunks);
    }
}
