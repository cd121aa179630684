/* Filling and copying memory, in pieces. One such instruction of WebAssembly takes as
   long as it takes, some 200 ms for 200 MB that nothing has touched, and nobody can
   stop it or let others run. So the build has all of them call these functions instead
   (xtask/tasks/src/runtime/pieces.rs), whose loops can be stopped at each turn. */
#include <stddef.h>
#include <stdint.h>

#define PIECE ((size_t)256 << 10)

/* Keeps the compiler from making one instruction of a loop. */
#define APART() __asm__ volatile("" ::: "memory")

__attribute__((export_name("eryx_fill"), noinline)) void eryx_fill(uint8_t *to, int byte,
                                                                   size_t length) {
    while (length > PIECE) {
        __builtin_memset(to, byte, PIECE);
        APART();
        to += PIECE;
        length -= PIECE;
    }
    __builtin_memset(to, byte, length);
}

/* Places may overlap: what is still to be read must not be written. */
__attribute__((export_name("eryx_copy"), noinline)) void
eryx_copy(uint8_t *to, const uint8_t *from, size_t length) {
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
