/* What is asked of an open file, in the stead of libc's calls to WASI. The standard
   streams' numbers go to libc's own. */
#include "files.h"

#include <string.h>

__wasi_errno_t __wasi_fd_prestat_get(__wasi_fd_t descriptor, __wasi_prestat_t *answer) {
    const char *name = eryx_preopened_as(descriptor);
    if (name == NULL) {
        return __WASI_ERRNO_BADF;
    }
    answer->tag = __WASI_PREOPENTYPE_DIR;
    answer->u.dir.pr_name_len = strlen(name);
    return 0;
}

__wasi_errno_t __wasi_fd_prestat_dir_name(__wasi_fd_t descriptor, uint8_t *into,
                                          __wasi_size_t size) {
    const char *name = eryx_preopened_as(descriptor);
    if (name == NULL) {
        return __WASI_ERRNO_BADF;
    }
    size_t length = strlen(name);
    if (length > size) {
        return __WASI_ERRNO_NAMETOOLONG;
    }
    memcpy(into, name, length);
    return 0;
}

__wasi_errno_t eryx_is_directory(file_t *file, bool *is_directory) {
    if (!file->is_known) {
        wasi_filesystem_types_descriptor_type_t type;
        wasi_filesystem_types_error_code_t error;
        if (!wasi_filesystem_types_method_descriptor_get_type(handle_of(file), &type, &error)) {
            return eryx_error(error);
        }
        file->is_directory = type == WASI_FILESYSTEM_TYPES_DESCRIPTOR_TYPE_DIRECTORY;
        file->is_known = true;
    }
    *is_directory = file->is_directory;
    return 0;
}

/* libc asks before each open what the directory is that it is in. */
__wasi_errno_t __wasi_fd_fdstat_get(__wasi_fd_t descriptor, __wasi_fdstat_t *answer) {
    file_t *file = eryx_file(descriptor);
    if (file == NULL) {
        return descriptor < FIRST_FILE ? eryx_libc_fd_fdstat_get(descriptor, answer)
                                       : __WASI_ERRNO_BADF;
    }
    bool is_directory;
    __wasi_errno_t error = eryx_is_directory(file, &is_directory);
    if (error != 0) {
        return error;
    }
    *answer = (__wasi_fdstat_t){
        .fs_filetype = is_directory ? __WASI_FILETYPE_DIRECTORY : __WASI_FILETYPE_REGULAR_FILE,
        .fs_flags = file->status,
        .fs_rights_base = is_directory ? ~__WASI_RIGHTS_FD_WRITE : file->rights,
        .fs_rights_inheriting = ~(__wasi_rights_t)0,
    };
    return 0;
}

__wasi_errno_t __wasi_fd_fdstat_set_flags(__wasi_fd_t descriptor, __wasi_fdflags_t status) {
    file_t *file = eryx_file(descriptor);
    if (file == NULL) {
        return descriptor < FIRST_FILE ? eryx_libc_fd_fdstat_set_flags(descriptor, status)
                                       : __WASI_ERRNO_BADF;
    }
    file->status = status;
    return 0;
}

__wasi_errno_t eryx_size_of(const file_t *file, __wasi_filesize_t *size) {
    wasi_filesystem_types_descriptor_stat_t known;
    wasi_filesystem_types_error_code_t error;
    if (!wasi_filesystem_types_method_descriptor_stat(handle_of(file), &known, &error)) {
        return eryx_error(error);
    }
    *size = known.size;
    return 0;
}

__wasi_errno_t __wasi_fd_seek(__wasi_fd_t descriptor, __wasi_filedelta_t by, __wasi_whence_t from,
                              __wasi_filesize_t *position) {
    file_t *file = eryx_file(descriptor);
    if (file == NULL) {
        return descriptor < FIRST_FILE ? __WASI_ERRNO_SPIPE : __WASI_ERRNO_BADF;
    }
    __wasi_filesize_t start = 0;
    __wasi_errno_t error = 0;
    switch (from) {
        case __WASI_WHENCE_SET: break;
        case __WASI_WHENCE_CUR: start = file->position; break;
        case __WASI_WHENCE_END: error = eryx_size_of(file, &start); break;
        default: return __WASI_ERRNO_INVAL;
    }
    if (error != 0) {
        return error;
    }
    int64_t there;
    if (__builtin_add_overflow((int64_t)start, by, &there) || there < 0) {
        return __WASI_ERRNO_INVAL;
    }
    file->position = (__wasi_filesize_t)there;
    *position = file->position;
    return 0;
}

__wasi_errno_t __wasi_fd_tell(__wasi_fd_t descriptor, __wasi_filesize_t *position) {
    return __wasi_fd_seek(descriptor, 0, __WASI_WHENCE_CUR, position);
}

/* Defines `__wasi_NAME`: `call` is what it asks of the host. */
#define FILE_CALL(name, parameters, call)                                              \
    __wasi_errno_t __wasi_##name parameters {                                          \
        const file_t *file = eryx_file(fd);                                            \
        if (file == NULL) {                                                            \
            return __WASI_ERRNO_BADF;                                                  \
        }                                                                              \
        wasi_filesystem_types_error_code_t error;                                      \
        return wasi_filesystem_types_method_descriptor_##call ? 0 : eryx_error(error); \
    }

__wasi_errno_t __wasi_fd_filestat_set_size(__wasi_fd_t descriptor, __wasi_filesize_t size) {
    const file_t *file = eryx_file(descriptor);
    if (file == NULL) {
        return __WASI_ERRNO_BADF;
    }
    if (!(file->rights & __WASI_RIGHTS_FD_WRITE)) {
        return __WASI_ERRNO_INVAL;
    }
    wasi_filesystem_types_error_code_t error;
    return wasi_filesystem_types_method_descriptor_set_size(handle_of(file), size, &error)
               ? 0
               : eryx_error(error);
}

FILE_CALL(fd_sync, (__wasi_fd_t fd), sync(handle_of(file), &error))
FILE_CALL(fd_datasync, (__wasi_fd_t fd), sync_data(handle_of(file), &error))
/* The kinds of advice are the same ones here and there. */
FILE_CALL(fd_advise,
          (__wasi_fd_t fd, __wasi_filesize_t offset, __wasi_filesize_t length,
           __wasi_advice_t advice),
          advise(handle_of(file), offset, length, advice, &error))

__wasi_errno_t __wasi_fd_allocate(__wasi_fd_t descriptor, __wasi_filesize_t offset,
                                  __wasi_filesize_t length) {
    (void)offset, (void)length;
    return eryx_file(descriptor) == NULL ? __WASI_ERRNO_BADF : __WASI_ERRNO_NOTSUP;
}
