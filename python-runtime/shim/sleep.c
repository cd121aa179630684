/* Sleeping. The guest waits in one import only, and operations that finish
   meanwhile must not be lost. */
#include "shim.h"

#include "sandbox.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define NANOSECONDS 1000000000LL

/* A wait while the program is to be asked once more to end. */
#define SHORT 10000000ULL

/* Operations that finished while nobody asked for them, and the first of them that nobody
   was answered. */
static uint32_t *told;
static size_t told_count, told_first;

/* Waits; what has finished is kept until `eryx_take_told`. False: no memory. */
static bool wait_and_keep(uint64_t nanoseconds) {
    eryx_runtime_waiting_list_operation_t finished;
    eryx_send_output();
    if (eryx_breaker_insists() && nanoseconds > SHORT) {
        nanoseconds = SHORT;
    }
    eryx_runtime_waiting_wait(nanoseconds, &finished);
    eryx_breaker_hurry();
    bool kept = true;
    if (finished.len > 0) {
        size_t size = (told_count + finished.len) * sizeof(*told);
        uint32_t *longer = realloc(told, size);
        kept = longer != NULL;
        if (kept) {
            told = longer;
            memcpy(told + told_count, finished.ptr, finished.len * sizeof(*told));
            told_count += finished.len;
        }
    }
    eryx_runtime_waiting_list_operation_free(&finished);
    return kept;
}

bool eryx_wait(uint64_t nanoseconds) {
    /* What is there already need not be waited for. */
    return wait_and_keep(told_first < told_count ? 0 : nanoseconds);
}

void eryx_forget_told(void) {
    told_count = told_first = 0;
}

/* Has a future end, if it has not. */
static bool settle(PyObject *future) {
    static PyObject *done_name, *set_result_name;
    if (done_name == NULL) {
        done_name = PyUnicode_InternFromString("done");
        set_result_name = PyUnicode_InternFromString("set_result");
    }
    PyObject *done = PyObject_CallMethodNoArgs(future, done_name);
    if (done == Py_False) {
        done = PyObject_CallMethodOneArg(future, set_result_name, Py_None);
    }
    Py_XDECREF(done);
    return done != NULL;
}

/* Has its future end, or adds it to the others. What a future calls may wait itself. */
static bool take(uint32_t operation, PyObject *futures, PyObject *others) {
    PyObject *number = eryx_number(operation), *future = NULL;
    int found = number ? PyDict_Pop(futures, number, &future) : -1;
    bool taken = found > 0    ? settle(future)
                 : found == 0 ? PyList_Append(others, number) == 0
                              : false;
    Py_XDECREF(future);
    Py_XDECREF(number);
    return taken;
}

PyObject *eryx_take_told(PyObject *futures) {
    PyObject *others = PyList_New(0);
    size_t first = told_first;
    while (others != NULL && told_first < told_count) {
        if (!take(told[told_first++], futures, others)) {
            Py_CLEAR(others);
        }
    }
    if (others == NULL) {
        /* The others are still to be answered. */
        told_first = first < told_count ? first : told_count;
        return NULL;
    }
    free(told);
    told = NULL;
    told_count = told_first = 0;
    return others;
}

static int64_t now(clockid_t clock) {
    struct timespec time;
    clock_gettime(clock, &time);
    return (int64_t)time.tv_sec * NANOSECONDS + time.tv_nsec;
}

/* INT64_MAX for what does not fit. */
static int64_t in_nanoseconds(const struct timespec *time) {
    int64_t sum;
    if (__builtin_mul_overflow((int64_t)time->tv_sec, NANOSECONDS, &sum)
        || __builtin_add_overflow(sum, time->tv_nsec, &sum)) {
        return INT64_MAX;
    }
    return sum;
}

int64_t eryx_left(clockid_t clock, const struct timespec *end) {
    return in_nanoseconds(end) - now(clock);
}

int eryx_clock_nanosleep(clockid_t clock, int flags, const struct timespec *request,
                         struct timespec *remaining) {
    (void)remaining;
    if (request->tv_nsec < 0 || request->tv_nsec >= NANOSECONDS || request->tv_sec < 0) {
        return EINVAL;
    }
    int64_t time = in_nanoseconds(request);
    int64_t end = time;
    if (!(flags & TIMER_ABSTIME) && __builtin_add_overflow(now(clock), time, &end)) {
        end = INT64_MAX;
    }
    for (;;) {
        int64_t left = end - now(clock);
        if (left <= 0) {
            return 0;
        }
        if (eryx_go_on(left)) {
            continue;
        }
        if (eryx_has_raised()) {
            /* The program gets it as soon as it runs. */
            return 0;
        }
        size_t before = told_count;
        if (!wait_and_keep((uint64_t)left)) {
            return ENOMEM;
        }
        if (told_count == before && end > now(clock)) {
            /* Woken early by the host, which wants something else. */
            return EINTR;
        }
    }
}
