/* `fcntl` with record locks, which WASI has not. They keep processes apart, never
   what is open within one, and a sandbox is one process: every lock is granted.
   SQLite asks for them, and keeps its own connections apart itself. */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>

/* libc leaves these out for WASI; SQLite defines the same. */
enum { GET_LOCK = 12, SET_LOCK = 13, SET_LOCK_AND_WAIT = 14, UNLOCKED = 2 };

extern int eryx_libc_fcntl(int descriptor, int command, ...);

static int lock(int descriptor, int command, struct flock *lock) {
    if (eryx_libc_fcntl(descriptor, F_GETFL) == -1) {
        return -1;
    }
    if (command == GET_LOCK) {
        lock->l_type = UNLOCKED;
    }
    return 0;
}

int fcntl(int descriptor, int command, ...) {
    va_list arguments;
    va_start(arguments, command);
    int result;
    switch (command) {
        case GET_LOCK:
        case SET_LOCK:
        case SET_LOCK_AND_WAIT:
            result = lock(descriptor, command, va_arg(arguments, struct flock *));
            break;
        case F_SETFL: result = eryx_libc_fcntl(descriptor, command, va_arg(arguments, int)); break;
        default: result = eryx_libc_fcntl(descriptor, command); break;
    }
    va_end(arguments);
    return result;
}
