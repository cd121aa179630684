/* The monotonic clock. One that goes on in a copied memory goes on from where the
   original's stood: timers that were set there are due after the time they had
   left. */
#include "shim.h"

#include <wasi/api.h>

extern __wasi_errno_t eryx_libc_clock_time_get(__wasi_clockid_t clock,
                                               __wasi_timestamp_t precision,
                                               __wasi_timestamp_t *now);

/* What is added to the host's time, and what both made when it was noted. */
static __wasi_timestamp_t offset, noted;

__wasi_errno_t __wasi_clock_time_get(__wasi_clockid_t clock, __wasi_timestamp_t precision,
                                     __wasi_timestamp_t *now) {
    __wasi_errno_t error = eryx_libc_clock_time_get(clock, precision, now);
    if (error == 0 && clock == __WASI_CLOCKID_MONOTONIC) {
        *now += offset;
    }
    return error;
}

void eryx_note_clock(void) {
    if (__wasi_clock_time_get(__WASI_CLOCKID_MONOTONIC, 1, &noted) != 0) {
        noted = 0;
    }
}

void eryx_continue_clock(void) {
    __wasi_timestamp_t here;
    if (eryx_libc_clock_time_get(__WASI_CLOCKID_MONOTONIC, 1, &here) == 0) {
        offset = noted - here;
    }
}
