/* Waiting for a lock, in libc's stead. With one thread nobody else can release it:
   libc ends the instance there, and here it is an exception. */
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

/* CPython makes its pending calls when a wait ends early. Where it only tries again
   there is nothing to raise, and the run's time limit ends it. */
int pthread_cond_wait(pthread_cond_t *condition, pthread_mutex_t *mutex) {
    (void)condition;
    (void)mutex;
    if (is_told) {
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
    (void)mutex;
    int error = eryx_clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, end, NULL);
    if (error == EINTR) {
        eryx_breaker_look();
        return 0;
    }
    return error == 0 ? ETIMEDOUT : error;
}
