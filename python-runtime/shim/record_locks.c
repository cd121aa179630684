/* `fcntl` with record locks, for which WASI has no word. They travel as advice
   about an offset that no file has: crates/eryx-vfs/src/locks.rs has the host's
   side. A host that knows of none takes it for advice, and grants every lock. */
#define _POSIX_C_SOURCE 200809L
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <time.h>
#include <unistd.h>
#include <wasi/api.h>

/* libc leaves these out for WASI; SQLite defines the same. */
enum { GET_LOCK = 12, SET_LOCK = 13, SET_LOCK_AND_WAIT = 14 };
enum { READ_LOCK = 0, WRITE_LOCK = 1, UNLOCKED = 2 };

/* The actions, in bits 60 to 62. */
enum { UNLOCK, LOCK_TO_READ, LOCK_TO_WRITE, TEST_TO_READ, TEST_TO_WRITE };
#define REQUEST ((uint64_t)1 << 63)
#define ACTION_AT 60

extern int eryx_libc_fcntl(int descriptor, int command, ...);

/* Where the lock begins; -1 with `errno` if that is nowhere. */
static off_t start_of(int descriptor, const struct flock *lock) {
    off_t from = 0;
    if (lock->l_whence != SEEK_SET) {
        off_t here = lseek(descriptor, 0, SEEK_CUR);
        from = here;
        if (here != -1 && lock->l_whence == SEEK_END) {
            from = lseek(descriptor, 0, SEEK_END);
            (void)lseek(descriptor, here, SEEK_SET);
        }
        if (from == -1) {
            return -1;
        }
    }
    off_t start;
    if (__builtin_add_overflow(from, lock->l_start, &start) || start < 0 ||
        start >> ACTION_AT != 0 || lock->l_len < 0) {
        errno = EINVAL;
        return -1;
    }
    return start;
}

static int request(int descriptor, int action, off_t start, off_t length) {
    uint64_t offset = REQUEST | (uint64_t)action << ACTION_AT | (uint64_t)start;
    __wasi_errno_t error =
        __wasi_fd_advise(descriptor, offset, (uint64_t)length, __WASI_ADVICE_NOREUSE);
    if (error != 0) {
        errno = error;
        return -1;
    }
    return 0;
}

static int request_until_granted(int descriptor, int action, off_t start, off_t length) {
    const struct timespec pause = {.tv_nsec = 1000000};
    for (;;) {
        int result = request(descriptor, action, start, length);
        if (result == 0 || errno != EAGAIN) {
            return result;
        }
        if (nanosleep(&pause, NULL) == -1) {
            return -1;
        }
    }
}

static int lock(int descriptor, int command, struct flock *lock) {
    off_t start = start_of(descriptor, lock);
    if (start == -1) {
        return -1;
    }
    int action;
    switch (lock->l_type) {
        case READ_LOCK: action = command == GET_LOCK ? TEST_TO_READ : LOCK_TO_READ; break;
        case WRITE_LOCK: action = command == GET_LOCK ? TEST_TO_WRITE : LOCK_TO_WRITE; break;
        case UNLOCKED: action = UNLOCK; break;
        default: errno = EINVAL; return -1;
    }
    if (command == GET_LOCK) {
        if (action == UNLOCK) {
            errno = EINVAL;
            return -1;
        }
        int result = request(descriptor, action, start, lock->l_len);
        if (result == 0) {
            lock->l_type = UNLOCKED;
        } else if (errno == EAGAIN) {
            /* Whose it is and how far it goes is not told. */
            lock->l_type = WRITE_LOCK;
            lock->l_pid = 0;
            result = 0;
        }
        return result;
    }
    if (command == SET_LOCK_AND_WAIT) {
        return request_until_granted(descriptor, action, start, lock->l_len);
    }
    return request(descriptor, action, start, lock->l_len);
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
