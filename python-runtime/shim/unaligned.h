/* Numbers at any address, as the machine has them: `load_uint32_t(at)`,
   `store_uint32_t(at, value)`. */
#ifndef ERYX_UNALIGNED_H
#define ERYX_UNALIGNED_H

#include <stdint.h>

#define UNALIGNED(type)                                                        \
    static inline type load_##type(const uint8_t *at) {                        \
        type value;                                                            \
        __builtin_memcpy(&value, at, sizeof value);                            \
        return value;                                                          \
    }                                                                          \
    static inline void store_##type(uint8_t *at, type value) {                 \
        __builtin_memcpy(at, &value, sizeof value);                            \
    }

UNALIGNED(uint16_t)
UNALIGNED(uint32_t)
UNALIGNED(uint64_t)

#undef UNALIGNED

#endif
