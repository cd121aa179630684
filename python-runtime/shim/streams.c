/* Descriptors 0, 1 and 2. This file stands in for libc's `read`, `write`, `writev`
   and `close`, so that all that is written to a standard stream, by Python or by C,
   goes to the output import in the order it was written. */
#include "shim.h"

#include "sandbox.h"
#include <errno.h>
#include <sys/uio.h>
#include <unistd.h>
#include <wasi/api.h>

static bool is_open[3] = {true, true, true};

bool eryx_open_streams(void) {
    bool were_open = is_open[1] && is_open[2];
    is_open[0] = is_open[1] = is_open[2] = true;
    return were_open;
}

static bool is_stream(int descriptor) {
    return (descriptor == 1 || descriptor == 2) && is_open[descriptor];
}

static int fail(__wasi_errno_t error) {
    errno = error;
    return -1;
}

ssize_t read(int descriptor, void *into, size_t length) {
    if (descriptor == 0 && !is_open[0]) {
        return fail(EBADF);
    }
    __wasi_iovec_t part = {into, length};
    size_t got;
    __wasi_errno_t error = __wasi_fd_read(descriptor, &part, 1, &got);
    return error ? fail(error) : (ssize_t)got;
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
    __wasi_errno_t error =
        __wasi_fd_write(descriptor, (const __wasi_ciovec_t *)parts, (size_t)count, &written);
    return error ? fail(error) : (ssize_t)written;
}

ssize_t write(int descriptor, const void *bytes, size_t length) {
    struct iovec part = {(void *)bytes, length};
    return writev(descriptor, &part, 1);
}

int close(int descriptor) {
    if (descriptor >= 0 && descriptor <= 2) {
        /* Its number stays taken: a later program of a session has it again. */
        bool was_open = is_open[descriptor];
        is_open[descriptor] = false;
        return was_open ? 0 : fail(EBADF);
    }
    __wasi_errno_t error = __wasi_fd_close(descriptor);
    return error ? fail(error) : 0;
}
