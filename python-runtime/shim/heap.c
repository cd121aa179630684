/* Leaves the heap so that a run writes to few pages of it.

   A started interpreter's heap is full of holes, and the allocators would fill
   them first: each a page that has to be copied from the image. Here all holes
   are filled for good, so that what a run allocates lies side by side, after
   the image. The holes cost address space only: they are zeroed, and pages that
   nobody reads are never loaded. */
#include "shim.h"

#include <malloc.h>
#include <stdlib.h>
#include <strings.h>

/* Python's allocator for small objects takes memory in arenas of this size and
   has a pool, of a page, for each size up to the largest. */
#define ARENA_SIZE (256 << 10)
#define LARGEST_SMALL 512
#define SMALL_STEP 8

/* No hole of the C heap is larger. */
#define LARGEST_HOLE (4 << 20)
/* In steps of what the allocator rounds to, less what it adds: 12 is the least. */
#define BLOCK_STEP 16
#define BLOCK_HEAD 4

/* Memory that short programs can use without a call to make it grow. */
#define SPARE (2 << 20)

/* Takes every free block of the C heap. They are zeroed because they still hold
   what they were used for, and all that would be in the image. */
static void fill_c_heap(void) {
    /* What fits into no hole lies behind them all. */
    char *behind = malloc(LARGEST_HOLE);
    for (size_t size = LARGEST_HOLE; size > 0;
         size -= size > 64 * BLOCK_STEP ? size / 64 / BLOCK_STEP * BLOCK_STEP : BLOCK_STEP) {
        char *block;
        while ((block = malloc(size - BLOCK_HEAD)) < behind) {
            if (block == NULL) {
                return;
            }
            explicit_bzero(block, malloc_usable_size(block));
        }
        free(block);
    }
    free(behind);
}

/* Takes every free block of the object heap, up to a new arena. */
static void fill_object_heap(void) {
    /* Arenas are the only thing that is allocated here: a new one lies behind. */
    char *behind = malloc(ARENA_SIZE), *arena;
    free(behind);
    do {
        arena = PyObject_Malloc(LARGEST_SMALL);
        if (arena == NULL) {
            return;
        }
        explicit_bzero(arena, LARGEST_SMALL);
    } while (arena < behind);

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

void eryx_settle_heap(void) {
    fill_c_heap();
    fill_object_heap();
    eryx_trim_heap();
    if (!eryx_keep_memory(SPARE)) {
        abort();
    }
}
