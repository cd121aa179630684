/* Leaves the heap so that a run writes to few pages of it.

   A started interpreter's heap is full of holes, and the allocators would fill
   them first: each a page that has to be copied from the image. Here all holes
   are filled for good, so that what a run allocates lies side by side, after
   the image. The holes cost address space only: they are zeroed, and pages that
   nobody reads are never loaded. */
#include "shim.h"

#include <stdlib.h>
#include <strings.h>

/* Python's allocator for small objects takes memory in arenas of this size and
   has a pool, of a page, for each size up to the largest. */
#define ARENA_SIZE (256 << 10)
#define LARGEST_SMALL 512
#define SMALL_STEP 8

/* libc's malloc has a free list for each power of two, up to which a block is
   rounded together with what malloc adds to it. */
#define LARGEST_CLASS 20
#define SMALLEST_CLASS 5
#define MALLOC_OVERHEAD 20

/* Takes every free block of the C heap. They are zeroed because they still hold
   what they were used for, and all that would be in the image. */
static void fill_c_heap(void) {
    for (int class = LARGEST_CLASS; class >= SMALLEST_CLASS; class--) {
        size_t size = ((size_t)1 << class) - MALLOC_OVERHEAD;
        size_t pages = __builtin_wasm_memory_size(0);
        /* Once memory grows, no free block of this size is left. */
        while (__builtin_wasm_memory_size(0) == pages) {
            void *block = malloc(size);
            if (block == NULL) {
                return;
            }
            explicit_bzero(block, size);
        }
    }
}

/* Takes every free block of the object heap, up to a new arena. */
static void fill_object_heap(void) {
    size_t pages = __builtin_wasm_memory_size(0);
    char *arena;
    do {
        arena = PyObject_Malloc(LARGEST_SMALL);
        if (arena == NULL) {
            return;
        }
        explicit_bzero(arena, LARGEST_SMALL);
    } while (__builtin_wasm_memory_size(0) == pages);

    for (size_t size = SMALL_STEP; size <= LARGEST_SMALL; size += SMALL_STEP) {
        char *block;
        do {
            block = PyObject_Malloc(size);
            if (block == NULL) {
                return;
            }
            explicit_bzero(block, size);
        } while (block < arena || block >= arena + ARENA_SIZE);
        /* Its pool is empty again and goes to whoever comes first. */
        PyObject_Free(block);
    }
}

/* Leaves `count` free blocks of a size, so that short programs need not make
   the memory grow: each growth is a system call. */
static void keep_free(size_t size, int count) {
    void *blocks[16];
    for (int i = 0; i < count; i++) {
        blocks[i] = malloc(size);
    }
    while (count > 0) {
        free(blocks[--count]);
    }
}

void eryx_settle_heap(void) {
    fill_c_heap();
    fill_object_heap();
    keep_free(((size_t)1 << 16) - MALLOC_OVERHEAD, 12);
    keep_free(ARENA_SIZE, 2);
}
