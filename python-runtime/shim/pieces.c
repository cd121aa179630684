/* Filling and copying memory. WebAssembly's own instructions for that are calls of the
   host: most are for a few bytes, and the call takes longer than the bytes. And one such
   instruction takes as long as it takes, some 200 ms for 200 MB that nothing has touched,
   and nobody can stop it or let others run. So the build has all of them call these
   functions instead (xtask/tasks/src/runtime/pieces.rs): few bytes are moved at once,
   and many in pieces, by loops that can be stopped at each turn. */
#include <stddef.h>
#include <stdint.h>
#include <wasm_simd128.h>

#include "unaligned.h"

#define PIECE ((size_t)256 << 10)

/* Keeps the compiler from making one instruction of a loop. */
#define APART() __asm__ volatile("" ::: "memory")

#define INSTEAD(name) __attribute__((export_name(name), noinline, target("simd128")))

/* Two of a width cover all lengths up to its double: they overlap. */
#define COPY_BOTH_ENDS(type, load, store)                                      \
    do {                                                                       \
        type first = load(from);                                               \
        type last = load(from + length - sizeof(type));                        \
        store(to, first);                                                      \
        store(to + length - sizeof(type), last);                               \
    } while (0)

#define FILL_BOTH_ENDS(type, value, store)                                     \
    do {                                                                       \
        store(to, value);                                                      \
        store(to + length - sizeof(type), value);                              \
    } while (0)

INSTEAD("eryx_fill") void eryx_fill(uint8_t *to, int byte, size_t length) {
    const uint64_t eight = (uint8_t)byte * UINT64_C(0x0101010101010101);
    if (length <= 16) {
        if (length >= 8) {
            FILL_BOTH_ENDS(uint64_t, eight, store_uint64_t);
        } else if (length >= 4) {
            FILL_BOTH_ENDS(uint32_t, (uint32_t)eight, store_uint32_t);
        } else if (length >= 2) {
            FILL_BOTH_ENDS(uint16_t, (uint16_t)eight, store_uint16_t);
        } else if (length == 1) {
            *to = (uint8_t)byte;
        }
        return;
    }
    const v128_t sixteen = wasm_i64x2_splat((int64_t)eight);
    if (length <= 128) {
        FILL_BOTH_ENDS(v128_t, sixteen, wasm_v128_store);
        if (length > 32) {
            wasm_v128_store(to + 16, sixteen);
            wasm_v128_store(to + length - 32, sixteen);
            if (length > 64) {
                wasm_v128_store(to + 32, sixteen);
                wasm_v128_store(to + 48, sixteen);
                wasm_v128_store(to + length - 64, sixteen);
                wasm_v128_store(to + length - 48, sixteen);
            }
        }
        return;
    }
    while (length > PIECE) {
        __builtin_memset(to, byte, PIECE);
        APART();
        to += PIECE;
        length -= PIECE;
    }
    __builtin_memset(to, byte, length);
}

/* Places may overlap: what is still to be read must not be written. */
INSTEAD("eryx_copy") void eryx_copy(uint8_t *to, const uint8_t *from, size_t length) {
    if (length <= 16) {
        if (length >= 8) {
            COPY_BOTH_ENDS(uint64_t, load_uint64_t, store_uint64_t);
        } else if (length >= 4) {
            COPY_BOTH_ENDS(uint32_t, load_uint32_t, store_uint32_t);
        } else if (length >= 2) {
            COPY_BOTH_ENDS(uint16_t, load_uint16_t, store_uint16_t);
        } else if (length == 1) {
            *to = *from;
        }
        return;
    }
    if (length <= 32) {
        COPY_BOTH_ENDS(v128_t, wasm_v128_load, wasm_v128_store);
        return;
    }
    if (length <= 128) {
        v128_t a = wasm_v128_load(from), b = wasm_v128_load(from + 16);
        v128_t y = wasm_v128_load(from + length - 32), z = wasm_v128_load(from + length - 16);
        if (length > 64) {
            v128_t c = wasm_v128_load(from + 32), d = wasm_v128_load(from + 48);
            v128_t w = wasm_v128_load(from + length - 64), x = wasm_v128_load(from + length - 48);
            wasm_v128_store(to + 32, c);
            wasm_v128_store(to + 48, d);
            wasm_v128_store(to + length - 64, w);
            wasm_v128_store(to + length - 48, x);
        }
        wasm_v128_store(to, a);
        wasm_v128_store(to + 16, b);
        wasm_v128_store(to + length - 32, y);
        wasm_v128_store(to + length - 16, z);
        return;
    }
    if (to <= from) {
        while (length > PIECE) {
            __builtin_memmove(to, from, PIECE);
            APART();
            to += PIECE;
            from += PIECE;
            length -= PIECE;
        }
    } else {
        while (length > PIECE) {
            length -= PIECE;
            __builtin_memmove(to + length, from + length, PIECE);
            APART();
        }
    }
    __builtin_memmove(to, from, length);
}
