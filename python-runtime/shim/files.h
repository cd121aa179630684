/* What the files of the shim know of each other: see open_files.c. */
#ifndef ERYX_FILES_H
#define ERYX_FILES_H

#include "shim.h"

#include "sandbox.h"

/* The first number of a descriptor that is none of the standard streams'. */
#define FIRST_FILE 3

/* What is open. */
typedef struct {
    bool is_open;
    bool is_preopened;
    /* In a copy of this memory it could not be opened again. */
    bool is_lost;
    bool is_directory;
    /* Else `is_directory` has to be asked for. */
    bool is_known;
    bool appends;
    bool was_looked_at;
    wasi_filesystem_types_own_descriptor_t handle;
    wasi_filesystem_types_own_output_stream_t appended_to;
    __wasi_filesize_t position;
    /* How to open it again: the path, from the preopened directory `base`. */
    char *path;
    __wasi_fd_t base;
    __wasi_lookupflags_t lookup;
    __wasi_oflags_t open;
    __wasi_rights_t rights;
    __wasi_fdflags_t status;
} file_t;

/* NULL for what is not open or could not be opened again. */
file_t *eryx_file(__wasi_fd_t descriptor);

/* The name of a preopened directory; NULL for what is none. */
const char *eryx_preopened_as(__wasi_fd_t descriptor);

__wasi_errno_t eryx_is_directory(file_t *file, bool *is_directory);
__wasi_errno_t eryx_size_of(const file_t *file, __wasi_filesize_t *size);

/* files.c: what WASI's error is called in libc. */
__wasi_errno_t eryx_error(wasi_filesystem_types_error_code_t error);
/* The same where something was to be opened. */
__wasi_errno_t eryx_open_error(wasi_filesystem_types_error_code_t error);

__wasi_errno_t eryx_open_at(const file_t *folder, __wasi_lookupflags_t lookup, const char *path,
                            __wasi_oflags_t open, __wasi_rights_t rights, __wasi_fdflags_t status,
                            wasi_filesystem_types_own_descriptor_t *opened);

static inline wasi_filesystem_types_borrow_descriptor_t handle_of(const file_t *file) {
    return wasi_filesystem_types_borrow_descriptor(file->handle);
}

#endif
