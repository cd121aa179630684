/* Descriptors 1 and 2. This file stands in for libc's `read`, `write`, `writev`
   and `close`, so that all that is written to a standard stream, by Python or by C,
   goes to the output import in the order it was written. */
#include "shim.h"

#include "sandbox.h"
#include <errno.h>
#include <sys/uio.h>
#include <unistd.h>
#include <wasi/api.h>

static bool is_open[3] = {false, true, true};

bool eryx_open_streams(void) {
    bool were_open = is_open[1] && is_open[2];
    is_open[1] = is_open[2] = true;
    return were_open;
}

static bool is_stream(int descriptor) {
    return (descriptor == 1 || descriptor == 2) && is_open[descriptor];
}

static int fail(__wasi_errno_t error) {
    errno = error;
    return -1;
}

/* The adapter sends 4096 bytes a call to the host, or, to a file that is said not
   to block, as many as the host takes. Our host has written them when it answers,
   so a large write goes that way. */
#define SENT_AT_ONCE 4096

/* Of a large read or write of a file. A host's memory allocator gives back what
   is larger, and new pages cost more than calls. */
#define PIECE ((size_t)64 << 10)

static size_t piece_of(size_t length) {
    return length < PIECE ? length : PIECE;
}

static __wasi_errno_t write_pieces(int descriptor, const uint8_t *bytes, size_t length,
                                   size_t *written) {
    size_t now = 1;
    while (*written < length && now > 0) {
        __wasi_ciovec_t piece = {bytes + *written, piece_of(length - *written)};
        __wasi_errno_t error = __wasi_fd_write(descriptor, &piece, 1, &now);
        if (error != 0) {
            return *written > 0 ? 0 : error;
        }
        *written += now;
    }
    return 0;
}

static __wasi_errno_t write_file(int descriptor, const struct iovec *parts, int count,
                                 size_t *written) {
    __wasi_fdflags_t status;
    if (count == 1 && parts->iov_len > SENT_AT_ONCE && eryx_status_of(descriptor, &status)
        && eryx_libc_fd_fdstat_set_flags(descriptor, status | __WASI_FDFLAGS_NONBLOCK) == 0) {
        __wasi_errno_t error = write_pieces(descriptor, parts->iov_base, parts->iov_len, written);
        (void)eryx_libc_fd_fdstat_set_flags(descriptor, status);
        return error;
    }
    return __wasi_fd_write(descriptor, (const __wasi_ciovec_t *)parts, (size_t)count, written);
}

ssize_t read(int descriptor, void *into, size_t length) {
    __wasi_fdflags_t status;
    bool is_file = eryx_status_of(descriptor, &status);
    size_t total = 0, now, wanted;
    do {
        wanted = is_file ? piece_of(length - total) : length;
        __wasi_iovec_t piece = {(uint8_t *)into + total, wanted};
        __wasi_errno_t error = __wasi_fd_read(descriptor, &piece, 1, &now);
        if (error != 0 && total == 0) {
            return fail(error == __WASI_ERRNO_NOTCAPABLE ? __WASI_ERRNO_BADF : error);
        }
        if (error != 0) {
            break;
        }
        total += now;
    } while (now == wanted && total < length);
    return (ssize_t)total;
}

ssize_t writev(int descriptor, const struct iovec *parts, int count) {
    if (count < 0) {
        return fail(EINVAL);
    }
    if (is_stream(descriptor)) {
        ssize_t total = 0;
        for (int i = 0; i < count; i++) {
            eryx_write_output(descriptor, parts[i].iov_base, parts[i].iov_len);
            total += (ssize_t)parts[i].iov_len;
        }
        return total;
    }
    if (descriptor == 1 || descriptor == 2) {
        return fail(EBADF);
    }
    size_t written = 0;
    __wasi_errno_t error = write_file(descriptor, parts, count, &written);
    /* WASI says "not capable" where POSIX says that it is not open for writing. */
    if (error == __WASI_ERRNO_NOTCAPABLE) {
        error = EBADF;
    }
    return error ? fail(error) : (ssize_t)written;
}

ssize_t write(int descriptor, const void *bytes, size_t length) {
    struct iovec part = {(void *)bytes, length};
    return writev(descriptor, &part, 1);
}

int close(int descriptor) {
    if (descriptor == 1 || descriptor == 2) {
        /* Its number stays taken: a later program of a session has it again. */
        bool was_open = is_open[descriptor];
        is_open[descriptor] = false;
        return was_open ? 0 : fail(EBADF);
    }
    __wasi_errno_t error = __wasi_fd_close(descriptor);
    if (error == 0) {
        eryx_forget_open(descriptor);
    }
    return error ? fail(error) : 0;
}
