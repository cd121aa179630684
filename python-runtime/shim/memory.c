/* Where the allocator takes memory from. */
#include "shim.h"

#include <errno.h>
#include <string.h>

#define WASM_PAGE 65536u

/* Growing is a call of the host's system: not for each page. */
#define STEP (1u << 20)

extern char __heap_base[];

static uintptr_t end;

static uintptr_t size(void) {
    return (uintptr_t)__builtin_wasm_memory_size(0) * WASM_PAGE;
}

/* How large the memory was when it was last looked at. */
static uintptr_t known;

static bool grow(uintptr_t bytes) {
    bool grown = __builtin_wasm_memory_grow(0, (bytes + WASM_PAGE - 1) / WASM_PAGE) != SIZE_MAX;
    known = size();
    return grown;
}

/* What others have made it grow by is theirs. */
static void skip_others(void) {
    if (end == 0) {
        end = (uintptr_t)__heap_base;
    } else if (known != size()) {
        end = size();
    }
    known = size();
}

bool eryx_keep_memory(size_t bytes) {
    return size() - end >= bytes || grow(bytes - (size() - end));
}

/* What is left when no more can be had: for telling so. */
#define RESERVE (512u << 10)

static bool reserve_is_open;

void eryx_open_reserve(bool open) {
    reserve_is_open = open;
}

/* Makes the memory reach to `wanted`, and so much further as must be left. */
static bool reach(uintptr_t wanted) {
    if (wanted > UINTPTR_MAX - RESERVE - WASM_PAGE) {
        return false;
    }
    uintptr_t whole = wanted + RESERVE;
    if (whole <= size()) {
        return true;
    }
    uintptr_t missing = whole - size();
    return (missing < STEP && grow(STEP)) || grow(missing)
           || (reserve_is_open && wanted <= size());
}

/* As `sbrk`. What is given back is zeroed. */
void *eryx_more_memory(intptr_t increment) {
    skip_others();
    uintptr_t begin = end;
    if (increment < 0) {
        size_t less = 0 - (uintptr_t)increment;
        end -= less;
        memset((void *)end, 0, less);
        return (void *)begin;
    }
    bool possible = increment == 0 || ((uintptr_t)increment < UINTPTR_MAX - begin
                                       && reach(begin + (uintptr_t)increment));
    if (!possible) {
        errno = ENOMEM;
        return (void *)UINTPTR_MAX;
    }
    end += (uintptr_t)increment;
    return (void *)begin;
}
