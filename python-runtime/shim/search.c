/* Searches and compares bytes sixteen at a time, where libc goes one by one: most of
   what Python does with text and bytes comes to one of these. And libc's own `strchr` and
   its like measure the whole text before they look at its start: CPython's tokenizer asks
   for the end of each line. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <wasm_simd128.h>

#include "unaligned.h"

/* Not to be made of what is defined here. */
#define SEARCH __attribute__((target("simd128"), no_builtin))

enum { BLOCK = 16, ALL = 0xffff };

/* Of each byte of a block whether it is equal, as a bit. */
SEARCH static inline uint32_t equal(const uint8_t *block, v128_t to) {
    return (uint32_t)wasm_i8x16_bitmask(wasm_i8x16_eq(wasm_v128_load(block), to));
}

/* Whether none of four blocks has the byte that `all` is made of. */
SEARCH static inline bool is_elsewhere(const uint8_t *at, v128_t all) {
    v128_t found = wasm_i8x16_eq(wasm_v128_load(at), all);
    for (int block = 1; block < 4; block++) {
        v128_t here = wasm_i8x16_eq(wasm_v128_load(at + block * BLOCK), all);
        found = wasm_v128_or(found, here);
    }
    return !wasm_v128_any_true(found);
}

SEARCH void *memchr(const void *memory, int wanted, size_t size) {
    const uint8_t *at = memory;
    const v128_t all = wasm_i8x16_splat((int8_t)wanted);
    for (; size >= 4 * BLOCK && is_elsewhere(at, all); at += 4 * BLOCK) {
        size -= 4 * BLOCK;
    }
    for (; size >= BLOCK; at += BLOCK, size -= BLOCK) {
        uint32_t found = equal(at, all);
        if (found != 0) {
            return (void *)(at + __builtin_ctz(found));
        }
    }
    for (; size > 0; at++, size--) {
        if (*at == (uint8_t)wanted) {
            return (void *)at;
        }
    }
    return NULL;
}

SEARCH void *memrchr(const void *memory, int wanted, size_t size) {
    const uint8_t *start = memory;
    const v128_t all = wasm_i8x16_splat((int8_t)wanted);
    for (; size >= BLOCK; size -= BLOCK) {
        uint32_t found = equal(start + size - BLOCK, all);
        if (found != 0) {
            return (void *)(start + size - 1 - (__builtin_clz(found) - BLOCK));
        }
    }
    while (size > 0) {
        size--;
        if (start[size] == (uint8_t)wanted) {
            return (void *)(start + size);
        }
    }
    return NULL;
}

/* Numbers that are as the bytes are when they are compared. */
static inline uint64_t eight_at(const uint8_t *at) {
    return __builtin_bswap64(load_uint64_t(at));
}

static inline uint32_t four_at(const uint8_t *at) {
    return __builtin_bswap32(load_uint32_t(at));
}

static inline int order(uint64_t a, uint64_t b) {
    return (a > b) - (a < b);
}

/* Fewer than a block: the first and the last of them, which may overlap. */
static inline int compare_few(const uint8_t *a, const uint8_t *b, size_t size) {
    if (size >= 8) {
        int first = order(eight_at(a), eight_at(b));
        return first != 0 ? first : order(eight_at(a + size - 8), eight_at(b + size - 8));
    }
    if (size >= 4) {
        int first = order(four_at(a), four_at(b));
        return first != 0 ? first : order(four_at(a + size - 4), four_at(b + size - 4));
    }
    for (; size > 0; a++, b++, size--) {
        if (*a != *b) {
            return *a - *b;
        }
    }
    return 0;
}

SEARCH int memcmp(const void *one, const void *other, size_t size) {
    const uint8_t *a = one, *b = other;
    for (; size >= BLOCK; a += BLOCK, b += BLOCK, size -= BLOCK) {
        uint32_t same = equal(a, wasm_v128_load(b));
        if (same != ALL) {
            int which = __builtin_ctz(~same);
            return a[which] - b[which];
        }
    }
    return compare_few(a, b, size);
}

/* The first `wanted`, or the end. What is read beyond the end lies in the same block of
   memory, which is there as a whole. */
SEARCH char *strchrnul(const char *text, int wanted) {
    const uintptr_t before = (uintptr_t)text % BLOCK;
    const uint8_t *at = (const uint8_t *)text - before;
    const v128_t all = wasm_i8x16_splat((int8_t)wanted), zero = wasm_i8x16_splat(0);
    for (uint32_t ours = ALL << before & ALL;; at += BLOCK, ours = ALL) {
        uint32_t found = (equal(at, all) | equal(at, zero)) & ours;
        if (found != 0) {
            return (char *)(uintptr_t)(at + __builtin_ctz(found));
        }
    }
}

SEARCH char *strchr(const char *text, int wanted) {
    char *at = strchrnul(text, wanted);
    return *at == (char)wanted ? at : NULL;
}

/* How many at the start of `text` are among `few`, or are not. */
SEARCH static inline size_t span(const char *text, const char *few, bool among) {
    size_t count = 0;
    while (text[count] != '\0' && (strchr(few, text[count]) != NULL) == among) {
        count++;
    }
    return count;
}

SEARCH size_t strspn(const char *text, const char *few) {
    return span(text, few, true);
}

SEARCH size_t strcspn(const char *text, const char *few) {
    return span(text, few, false);
}

SEARCH char *strpbrk(const char *text, const char *few) {
    const char *at = text + span(text, few, false);
    return *at != '\0' ? (char *)(uintptr_t)at : NULL;
}
