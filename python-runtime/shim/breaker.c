/* Sends what was printed, and asks the host, now and then, whether the program shall
   end by itself. If so, a signal arrives whose handler raises TimeoutError: see
   host.c. */
#include "breaker.h"
#include "shim.h"

#include "sandbox.h"
#include <signal.h>

/* So many backward jumps and calls take about a millisecond. */
#define INTERVAL 20000

int eryx_breaker_clock = INTERVAL;

/* Where the clock goes on after it was stopped for output. */
static int put_off;

/* Whether this run has a time after which the host would say so. */
static bool is_watching;

/* Whether it has said so, and the program is to be asked once more. */
static bool insists;

void eryx_breaker_watch(bool watch) {
    is_watching = watch;
    insists = false;
    /* A program begins with a whole interval, not with what the last one left of it. */
    eryx_breaker_clock = INTERVAL;
    put_off = 0;
}

void eryx_breaker_insist(void) {
    insists = true;
}

bool eryx_breaker_insists(void) {
    return insists;
}

/* Whether C code looks in the midst of a call that has written something and may
   write more. It cannot go on like that for long. */
static bool is_within_call(void) {
    bool from_c = eryx_breaker_clock < -1;
    put_off -= from_c ? ERYX_BREAKER_STEP_IN_C : 0;
    return from_c && put_off > 0;
}

static bool shall_ask(void) {
    if (insists) {
        insists = false;
        return true;
    }
    if (is_watching && eryx_runtime_waiting_stop_requested()) {
        is_watching = false;
        return true;
    }
    return false;
}

void eryx_breaker_look(void) {
    if (put_off > 0 && is_within_call()) {
        eryx_breaker_clock = 0;
        return;
    }
    eryx_send_output();
    if (put_off > 0) {
        eryx_breaker_clock = put_off;
        put_off = 0;
        return;
    }
    eryx_breaker_clock = INTERVAL;
    if (shall_ask()) {
        PyErr_SetInterruptEx(SIGXCPU);
    }
}

void eryx_breaker_hurry(void) {
    eryx_breaker_clock = put_off = 0;
}

void eryx_breaker_waited(void) {
    if (is_watching) {
        eryx_breaker_hurry();
    }
}

void eryx_breaker_send(void) {
    if (eryx_breaker_clock > 0) {
        put_off = eryx_breaker_clock;
        eryx_breaker_clock = 0;
    }
}
