/* Asks the host, now and then, whether the program shall end by itself. If so, a
   signal arrives whose handler raises TimeoutError: see lib/_eryx_stop.py. */
#include "breaker.h"
#include "shim.h"

#include "sandbox.h"
#include <signal.h>

/* So many backward jumps and calls take about a millisecond. */
#define INTERVAL 20000

int eryx_breaker_clock = INTERVAL;

/* Whether this run has a time after which the host would say so. */
static bool is_watching;

void eryx_breaker_watch(bool watch) {
    is_watching = watch;
}

void eryx_breaker_look(void) {
    eryx_breaker_clock = INTERVAL;
    if (is_watching && eryx_runtime_waiting_stop_requested()) {
        is_watching = false;
        PyErr_SetInterruptEx(SIGXCPU);
    }
}

void eryx_breaker_hurry(void) {
    eryx_breaker_clock = 0;
}
