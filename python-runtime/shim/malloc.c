/* The allocator: Doug Lea's, in the stead of libc's, which gives each power of
   two a page run of its own and rounds everything up to one. This one puts what
   is allocated one after the other side by side. Memory comes from shim/memory.c
   in one piece that only grows, once the runtime is built. */
#include <stdint.h>
#include <wchar.h>

extern void *eryx_more_memory(intptr_t increment);

#define ABORT __builtin_trap()
#define DEFAULT_GRANULARITY 65536
#define HAVE_MMAP 0
#define HAVE_MORECORE 1
#define LACKS_TIME_H
#define MALLOC_ALIGNMENT 16
#define MORECORE eryx_more_memory
#define MORECORE_CANNOT_TRIM 1
#define MORECORE_CONTIGUOUS 1
#define NO_MALLINFO 1
#define NO_MALLOC_STATS 1
#define USE_LOCKS 0
#define malloc_getpagesize 65536

#pragma clang diagnostic ignored "-Weverything"
#include "libffi/src/dlmalloc.c"

void eryx_trim_heap(void) {
    malloc_trim(0);
    /* What is left of it has a head, and marks of where it began before. */
    memset(chunk2mem(gm->top), 0, gm->topsize - TWO_SIZE_T_SIZES);
}

/* What else of libc allocates: libc's own would do so by its own allocator. */

static void *copy(const void *bytes, size_t length, size_t room) {
    void *block = malloc(room);
    if (block != NULL) {
        memset((char *)block + length, 0, room - length);
        memcpy(block, bytes, length);
    }
    return block;
}

char *strdup(const char *text) {
    size_t length = strlen(text);
    return copy(text, length, length + 1);
}

char *strndup(const char *text, size_t most) {
    const char *end = memchr(text, 0, most);
    size_t length = end ? (size_t)(end - text) : most;
    return copy(text, length, length + 1);
}

wchar_t *wcsdup(const wchar_t *text) {
    size_t bytes = wcslen(text) * sizeof *text;
    return copy(text, bytes, bytes + sizeof *text);
}

void *aligned_alloc(size_t alignment, size_t size) {
    return memalign(alignment, size);
}

void *reallocarray(void *block, size_t count, size_t size) {
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes)) {
        errno = ENOMEM;
        return NULL;
    }
    return realloc(block, bytes);
}
