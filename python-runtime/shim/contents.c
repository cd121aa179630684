/* Reading and writing files, in the stead of libc's calls to WASI. */
#include "files.h"

#include <stdlib.h>
#include <string.h>

/* What is handed to the host at once, so that no other program's bytes come between;
   it refuses calls of twice as much. */
#define LARGEST_WRITE ((size_t)8 << 20)

/* What an appending stream takes in one call with all that belongs to it. */
#define SMALL_WRITE 4096

typedef sandbox_tuple2_list_u8_bool_t contents_t;

/* Of a large read. A host's memory allocator gives back what is larger, and new
   pages cost more than calls. */
#define LARGEST_READ ((size_t)64 << 10)

static __wasi_errno_t read_piece(const file_t *file, uint8_t *into, size_t length,
                                 __wasi_filesize_t position, size_t *got) {
    contents_t contents;
    wasi_filesystem_types_error_code_t error;
    eryx_put_next(into, length);
    bool is_read = wasi_filesystem_types_method_descriptor_read(handle_of(file), length, position,
                                                                &contents, &error);
    eryx_put_next(NULL, 0);
    if (!is_read) {
        return eryx_error(error);
    }
    *got = contents.f0.len < length ? contents.f0.len : length;
    if (contents.f0.ptr != into && contents.f0.len > 0) {
        memcpy(into, contents.f0.ptr, *got);
        free(contents.f0.ptr);
    }
    return 0;
}

/* Until it is `length` bytes or the file ends. */
static __wasi_errno_t read_at(const file_t *file, void *into, size_t length,
                              __wasi_filesize_t position, size_t *got) {
    *got = 0;
    size_t wanted, now;
    do {
        wanted = length - *got < LARGEST_READ ? length - *got : LARGEST_READ;
        __wasi_errno_t error =
            read_piece(file, (uint8_t *)into + *got, wanted, position + *got, &now);
        if (error != 0) {
            return *got > 0 ? 0 : error;
        }
        *got += now;
    } while (now == wanted && *got < length);
    return 0;
}

static __wasi_errno_t write_at(const file_t *file, const uint8_t *bytes, size_t length,
                               __wasi_filesize_t position, size_t *written) {
    *written = 0;
    do {
        size_t left = length - *written;
        sandbox_list_u8_t piece = {(uint8_t *)bytes + *written,
                                   left < LARGEST_WRITE ? left : LARGEST_WRITE};
        uint64_t now;
        wasi_filesystem_types_error_code_t error;
        if (!wasi_filesystem_types_method_descriptor_write(handle_of(file), &piece,
                                                           position + *written, &now, &error)) {
            return *written > 0 ? 0 : eryx_error(error);
        }
        *written += (size_t)now;
        if (now == 0) {
            return 0;
        }
    } while (*written < length);
    return 0;
}

/* What the stream says, as libc's error. */
static __wasi_errno_t stream_error(wasi_io_streams_stream_error_t *error) {
    __wasi_errno_t answer = __WASI_ERRNO_IO;
    if (error->tag == WASI_IO_STREAMS_STREAM_ERROR_LAST_OPERATION_FAILED) {
        wasi_filesystem_types_error_code_t code;
        if (wasi_filesystem_types_filesystem_error_code(
                wasi_io_error_borrow_error(error->val.last_operation_failed), &code)) {
            answer = eryx_error(code);
        }
        wasi_io_error_error_drop_own(error->val.last_operation_failed);
    }
    return answer;
}

static bool write_large(wasi_io_streams_borrow_output_stream_t stream, sandbox_list_u8_t *bytes,
                        wasi_io_streams_stream_error_t *error) {
    uint64_t most;
    if (!wasi_io_streams_method_output_stream_check_write(stream, &most, error)) {
        return false;
    }
    if (most < bytes->len) {
        bytes->len = most > SMALL_WRITE ? (size_t)most : SMALL_WRITE;
    }
    if (bytes->len <= SMALL_WRITE) {
        return wasi_io_streams_method_output_stream_blocking_write_and_flush(stream, bytes, error);
    }
    return wasi_io_streams_method_output_stream_write(stream, bytes, error)
           && wasi_io_streams_method_output_stream_blocking_flush(stream, error);
}

/* At the end, wherever that is by then: only the host knows. */
static __wasi_errno_t append(file_t *file, const uint8_t *bytes, size_t length, size_t *written) {
    *written = 0;
    if (!file->appends) {
        wasi_filesystem_types_error_code_t error;
        if (!wasi_filesystem_types_method_descriptor_append_via_stream(
                handle_of(file), &file->appended_to, &error)) {
            return eryx_error(error);
        }
        file->appends = true;
    }
    wasi_io_streams_borrow_output_stream_t stream =
        wasi_io_streams_borrow_output_stream(file->appended_to);
    while (*written < length) {
        size_t left = length - *written;
        sandbox_list_u8_t piece = {(uint8_t *)bytes + *written,
                                   left < LARGEST_WRITE ? left : LARGEST_WRITE};
        wasi_io_streams_stream_error_t error;
        bool is_written =
            left <= SMALL_WRITE
                ? wasi_io_streams_method_output_stream_blocking_write_and_flush(stream, &piece,
                                                                                &error)
                : write_large(stream, &piece, &error);
        if (!is_written) {
            __wasi_errno_t answer = stream_error(&error);
            return *written > 0 ? 0 : answer;
        }
        *written += piece.len;
    }
    /* What others append from now on is still to be read. */
    return length > 0 ? eryx_size_of(file, &file->position) : 0;
}

/* At `place`, or at NULL where the file stands. */
static __wasi_errno_t write_bytes(file_t *file, const uint8_t *bytes, size_t length,
                                  const __wasi_filesize_t *place, size_t *written) {
    if (place != NULL) {
        return write_at(file, bytes, length, *place, written);
    }
    if (file->status & __WASI_FDFLAGS_APPEND) {
        return append(file, bytes, length, written);
    }
    __wasi_errno_t error = write_at(file, bytes, length, file->position, written);
    if (error == 0) {
        file->position += *written;
    }
    return error;
}

/* The bytes of several buffers, to be freed, so that they reach the host at once;
   NULL without memory. */
static uint8_t *gather(const __wasi_ciovec_t *parts, size_t count, size_t *length) {
    *length = 0;
    for (size_t i = 0; i < count; i++) {
        if (__builtin_add_overflow(*length, parts[i].buf_len, length)) {
            return NULL;
        }
    }
    uint8_t *all = malloc(*length > 0 ? *length : 1), *next = all;
    for (size_t i = 0; all != NULL && i < count; i++) {
        memcpy(next, parts[i].buf, parts[i].buf_len);
        next += parts[i].buf_len;
    }
    return all;
}

static __wasi_errno_t write_parts(__wasi_fd_t descriptor, const __wasi_ciovec_t *parts,
                                  size_t count, const __wasi_filesize_t *place,
                                  __wasi_size_t *written) {
    file_t *file = eryx_file(descriptor);
    if (file == NULL || !(file->rights & __WASI_RIGHTS_FD_WRITE)) {
        return __WASI_ERRNO_BADF;
    }
    if (count == 1) {
        return write_bytes(file, parts->buf, parts->buf_len, place, written);
    }
    size_t length;
    uint8_t *all = gather(parts, count, &length);
    if (all == NULL) {
        return __WASI_ERRNO_NOMEM;
    }
    __wasi_errno_t error = write_bytes(file, all, length, place, written);
    free(all);
    return error;
}

__wasi_errno_t __wasi_fd_write(__wasi_fd_t descriptor, const __wasi_ciovec_t *parts, size_t count,
                               __wasi_size_t *written) {
    return write_parts(descriptor, parts, count, NULL, written);
}

__wasi_errno_t __wasi_fd_pwrite(__wasi_fd_t descriptor, const __wasi_ciovec_t *parts, size_t count,
                                __wasi_filesize_t position, __wasi_size_t *written) {
    return write_parts(descriptor, parts, count, &position, written);
}

static __wasi_errno_t read_parts(const file_t *file, const __wasi_iovec_t *parts, size_t count,
                                 __wasi_filesize_t position, __wasi_size_t *got) {
    *got = 0;
    for (size_t i = 0; i < count; i++) {
        size_t now;
        __wasi_errno_t error =
            read_at(file, parts[i].buf, parts[i].buf_len, position + *got, &now);
        if (error != 0) {
            return *got > 0 ? 0 : error;
        }
        *got += now;
        if (now < parts[i].buf_len) {
            return 0;
        }
    }
    return 0;
}

__wasi_errno_t __wasi_fd_read(__wasi_fd_t descriptor, const __wasi_iovec_t *parts, size_t count,
                              __wasi_size_t *got) {
    file_t *file = eryx_file(descriptor);
    if (file == NULL) {
        return descriptor == 0 ? eryx_libc_fd_read(descriptor, parts, count, got)
                               : __WASI_ERRNO_BADF;
    }
    __wasi_errno_t error = read_parts(file, parts, count, file->position, got);
    if (error == 0) {
        file->position += *got;
    }
    return error;
}

__wasi_errno_t __wasi_fd_pread(__wasi_fd_t descriptor, const __wasi_iovec_t *parts, size_t count,
                               __wasi_filesize_t position, __wasi_size_t *got) {
    const file_t *file = eryx_file(descriptor);
    return file == NULL ? __WASI_ERRNO_BADF : read_parts(file, parts, count, position, got);
}
