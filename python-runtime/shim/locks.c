/* Waiting for a lock, in libc's stead. With one thread nobody else can release it, but
   for asyncio's tasks while a function waits that it has called: libc ends the instance
   there, and here it is an exception. */
#include "breaker.h"
#include "shim.h"

#include <errno.h>
#include <pthread.h>
#include <time.h>

/* Whether Python has yet to raise the exception. */
static bool is_told;

static int raise_deadlock(void *unused) {
    (void)unused;
    is_told = false;
    PyErr_SetString(PyExc_RuntimeError,
                    "deadlock: waits without a time limit, and there is no other thread");
    return -1;
}

/* What goes on may want the lock, too. */
static bool go_on_without(pthread_mutex_t *mutex, int64_t nanoseconds) {
    pthread_mutex_unlock(mutex);
    bool went_on = eryx_go_on(nanoseconds);
    pthread_mutex_lock(mutex);
    return went_on;
}

/* CPython makes its pending calls when a wait ends early. Where it only tries again
   there is nothing to raise, and the run's time limit ends it. */
int pthread_cond_wait(pthread_cond_t *condition, pthread_mutex_t *mutex) {
    (void)condition;
    if (go_on_without(mutex, -1)) {
        return 0;
    }
    if (is_told || eryx_has_raised()) {
        (void)eryx_wait(UINT64_MAX);
        eryx_breaker_look();
    } else {
        is_told = Py_AddPendingCall(raise_deadlock, NULL) == 0;
    }
    return 0;
}

int pthread_cond_timedwait(pthread_cond_t *condition, pthread_mutex_t *mutex,
                           const struct timespec *end) {
    (void)condition;
    int64_t left = eryx_left(CLOCK_REALTIME, end);
    if (left > 0 && go_on_without(mutex, left)) {
        return 0;
    }
    int error = eryx_clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, end, NULL);
    if (error == EINTR) {
        eryx_breaker_look();
        return 0;
    }
    return error == 0 ? ETIMEDOUT : error;
}
