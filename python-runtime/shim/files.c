/* What has a path, in the stead of libc's calls to WASI. They lead to the host's
   files without the preview-1 adapter between: that asks more of the host than is
   needed, and hands over little at a time. WASI takes paths as text: one that is no
   UTF-8 would end the instance, so it is refused here. WASI knows no modes: `stat`
   makes up the usual ones. */
#include "files.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

/* The length of the UTF-8 sequence that begins with `first`, 0 for none. */
static size_t sequence_length(uint8_t first) {
    if (first < 0x80) {
        return 1;
    }
    if (first >= 0xC2 && first <= 0xDF) {
        return 2;
    }
    if (first >= 0xE0 && first <= 0xEF) {
        return 3;
    }
    return first >= 0xF0 && first <= 0xF4 ? 4 : 0;
}

/* Overlong forms, surrogates and what lies beyond the last code point show in
   the second byte. */
static bool second_fits(uint8_t first, uint8_t second) {
    switch (first) {
        case 0xE0: return second >= 0xA0;
        case 0xED: return second < 0xA0;
        case 0xF0: return second >= 0x90;
        case 0xF4: return second < 0x90;
        default: return true;
    }
}

static bool is_text(const char *path) {
    const uint8_t *next = (const uint8_t *)path;
    while (*next) {
        size_t length = sequence_length(*next);
        if (length == 0 || (length > 1 && !second_fits(next[0], next[1]))) {
            return false;
        }
        for (size_t i = 1; i < length; i++) {
            if ((next[i] & 0xC0) != 0x80) {
                return false;
            }
        }
        next += length;
    }
    return true;
}

static const __wasi_errno_t ERRORS[] = {
    [WASI_FILESYSTEM_TYPES_ERROR_CODE_ACCESS] = __WASI_ERRNO_ACCES,
    [WASI_FILESYSTEM_TYPES_ERROR_CODE_WOULD_BLOCK] = __WASI_ERRNO_AGAIN,
    [WASI_FILESYSTEM_TYPES_ERROR_CODE_ALREADY] = __WASI_ERRNO_ALREADY,
    [WASI_FILESYSTEM_TYPES_ERROR_CODE_BAD_DESCRIPTOR] = __WASI_ERRNO_BADF,
    [WASI_FILESYSTEM_TYPES_ERROR_CODE_BUSY] = __WASI_ERRNO_BUSY,
    [WASI_FILESYSTEM_TYPES_ERROR_CODE_DEADLOCK] = __WASI_ERRNO_DEADLK,
    [WASI_FILESYSTEM_TYPES_ERROR_CODE_QUOTA] = __WASI_ERRNO_DQUOT,
    [WASI_FILESYSTEM_TYPES_ERROR_CODE_EXIST] = __WASI_ERRNO_EXIST,
    [WASI_FILESYSTEM_TYPES_ERROR_CODE_FILE_TOO_LARGE] = __WASI_ERRNO_FBIG,
    [WASI_FILESYSTEM_TYPES_ERROR_CODE_ILLEGAL_BYTE_SEQUENCE] = __WASI_ERRNO_ILSEQ,
    [WASI_FILESYSTEM_TYPES_ERROR_CODE_IN_PROGRESS] = __WASI_ERRNO_INPROGRESS,
    [WASI_FILESYSTEM_TYPES_ERROR_CODE_INTERRUPTED] = __WASI_ERRNO_INTR,
    [WASI_FILESYSTEM_TYPES_ERROR_CODE_INVALID] = __WASI_ERRNO_INVAL,
    [WASI_FILESYSTEM_TYPES_ERROR_CODE_IO] = __WASI_ERRNO_IO,
    [WASI_FILESYSTEM_TYPES_ERROR_CODE_IS_DIRECTORY] = __WASI_ERRNO_ISDIR,
    [WASI_FILESYSTEM_TYPES_ERROR_CODE_LOOP] = __WASI_ERRNO_LOOP,
    [WASI_FILESYSTEM_TYPES_ERROR_CODE_TOO_MANY_LINKS] = __WASI_ERRNO_MLINK,
    [WASI_FILESYSTEM_TYPES_ERROR_CODE_MESSAGE_SIZE] = __WASI_ERRNO_MSGSIZE,
    [WASI_FILESYSTEM_TYPES_ERROR_CODE_NAME_TOO_LONG] = __WASI_ERRNO_NAMETOOLONG,
    [WASI_FILESYSTEM_TYPES_ERROR_CODE_NO_DEVICE] = __WASI_ERRNO_NODEV,
    [WASI_FILESYSTEM_TYPES_ERROR_CODE_NO_ENTRY] = __WASI_ERRNO_NOENT,
    [WASI_FILESYSTEM_TYPES_ERROR_CODE_NO_LOCK] = __WASI_ERRNO_NOLCK,
    [WASI_FILESYSTEM_TYPES_ERROR_CODE_INSUFFICIENT_MEMORY] = __WASI_ERRNO_NOMEM,
    [WASI_FILESYSTEM_TYPES_ERROR_CODE_INSUFFICIENT_SPACE] = __WASI_ERRNO_NOSPC,
    [WASI_FILESYSTEM_TYPES_ERROR_CODE_NOT_DIRECTORY] = __WASI_ERRNO_NOTDIR,
    [WASI_FILESYSTEM_TYPES_ERROR_CODE_NOT_EMPTY] = __WASI_ERRNO_NOTEMPTY,
    [WASI_FILESYSTEM_TYPES_ERROR_CODE_NOT_RECOVERABLE] = __WASI_ERRNO_NOTRECOVERABLE,
    [WASI_FILESYSTEM_TYPES_ERROR_CODE_UNSUPPORTED] = __WASI_ERRNO_NOTSUP,
    [WASI_FILESYSTEM_TYPES_ERROR_CODE_NO_TTY] = __WASI_ERRNO_NOTTY,
    [WASI_FILESYSTEM_TYPES_ERROR_CODE_NO_SUCH_DEVICE] = __WASI_ERRNO_NXIO,
    [WASI_FILESYSTEM_TYPES_ERROR_CODE_OVERFLOW] = __WASI_ERRNO_OVERFLOW,
    [WASI_FILESYSTEM_TYPES_ERROR_CODE_NOT_PERMITTED] = __WASI_ERRNO_PERM,
    [WASI_FILESYSTEM_TYPES_ERROR_CODE_PIPE] = __WASI_ERRNO_PIPE,
    [WASI_FILESYSTEM_TYPES_ERROR_CODE_READ_ONLY] = __WASI_ERRNO_ROFS,
    [WASI_FILESYSTEM_TYPES_ERROR_CODE_INVALID_SEEK] = __WASI_ERRNO_SPIPE,
    [WASI_FILESYSTEM_TYPES_ERROR_CODE_TEXT_FILE_BUSY] = __WASI_ERRNO_TXTBSY,
    [WASI_FILESYSTEM_TYPES_ERROR_CODE_CROSS_DEVICE] = __WASI_ERRNO_XDEV,
};

__wasi_errno_t eryx_error(wasi_filesystem_types_error_code_t error) {
    return error < sizeof ERRORS / sizeof *ERRORS ? ERRORS[error] : __WASI_ERRNO_IO;
}

__wasi_errno_t eryx_open_error(wasi_filesystem_types_error_code_t error) {
    /* WASI has no word for too many open files. */
    return error == WASI_FILESYSTEM_TYPES_ERROR_CODE_INSUFFICIENT_MEMORY ? __WASI_ERRNO_MFILE
                                                                         : eryx_error(error);
}

static sandbox_string_t text_of(const char *path) {
    return (sandbox_string_t){(uint8_t *)path, strlen(path)};
}

static wasi_filesystem_types_path_flags_t flags_of(__wasi_lookupflags_t lookup) {
    return lookup & __WASI_LOOKUPFLAGS_SYMLINK_FOLLOW ? WASI_FILESYSTEM_TYPES_PATH_FLAGS_SYMLINK_FOLLOW
                                                      : 0;
}

__wasi_errno_t eryx_open_at(const file_t *folder, __wasi_lookupflags_t lookup, const char *path,
                            __wasi_oflags_t open, __wasi_rights_t rights, __wasi_fdflags_t status,
                            wasi_filesystem_types_own_descriptor_t *opened) {
    sandbox_string_t text = text_of(path);
    wasi_filesystem_types_descriptor_flags_t flags =
        (rights & __WASI_RIGHTS_FD_READ ? WASI_FILESYSTEM_TYPES_DESCRIPTOR_FLAGS_READ : 0)
        | (rights & __WASI_RIGHTS_FD_WRITE ? WASI_FILESYSTEM_TYPES_DESCRIPTOR_FLAGS_WRITE : 0)
        | (status & __WASI_FDFLAGS_SYNC ? WASI_FILESYSTEM_TYPES_DESCRIPTOR_FLAGS_FILE_INTEGRITY_SYNC
                                        : 0)
        | (status & __WASI_FDFLAGS_DSYNC
               ? WASI_FILESYSTEM_TYPES_DESCRIPTOR_FLAGS_DATA_INTEGRITY_SYNC
               : 0);
    wasi_filesystem_types_error_code_t error;
    /* The flags for opening are the same ones here and there. */
    bool is_open = wasi_filesystem_types_method_descriptor_open_at(
        handle_of(folder), flags_of(lookup), &text, (wasi_filesystem_types_open_flags_t)open, flags,
        opened, &error);
    return is_open ? 0 : eryx_open_error(error);
}

/* All that opens files comes to this. libc's numbers are WASI's: to read is a flag
   there, to POSIX it is what no flag stands for. */
int __wasilibc_nocwd_openat_nomode(int folder, const char *path, int flags) {
    if (!(flags & O_ACCMODE)) {
        flags |= O_RDONLY;
    }
    __wasi_rights_t rights = (flags & O_RDONLY ? __WASI_RIGHTS_FD_READ : 0)
                             | (flags & O_WRONLY ? __WASI_RIGHTS_FD_WRITE : 0);
    __wasi_lookupflags_t lookup = flags & O_NOFOLLOW ? 0 : __WASI_LOOKUPFLAGS_SYMLINK_FOLLOW;
    __wasi_fd_t opened;
    __wasi_errno_t error = is_text(path)
                               ? eryx_open_file(folder, lookup, path, (flags >> 12) & 0xfff, rights,
                                                flags & 0xfff, &opened)
                               : __WASI_ERRNO_ILSEQ;
    if (error != 0) {
        errno = error;
        return -1;
    }
    return opened;
}

/* What is wrong with a path from a directory; 0 for nothing. */
static __wasi_errno_t check_path(const file_t *folder, const char *path) {
    if (!is_text(path)) {
        return __WASI_ERRNO_ILSEQ;
    }
    return folder == NULL ? __WASI_ERRNO_BADF : 0;
}

/* Defines `__wasi_NAME`, which libc calls with a directory and a path: `call` is
   what it asks of the host. */
#define PATH_CALL(name, parameters, call)                                              \
    __wasi_errno_t __wasi_##name parameters {                                          \
        const file_t *folder = eryx_file(fd);                                          \
        __wasi_errno_t refusal = check_path(folder, path);                             \
        if (refusal != 0) {                                                            \
            return refusal;                                                            \
        }                                                                              \
        sandbox_string_t text = text_of(path);                                         \
        wasi_filesystem_types_error_code_t error;                                      \
        return wasi_filesystem_types_method_descriptor_##call ? 0 : eryx_error(error); \
    }

PATH_CALL(path_create_directory, (__wasi_fd_t fd, const char *path),
          create_directory_at(handle_of(folder), &text, &error))
PATH_CALL(path_remove_directory, (__wasi_fd_t fd, const char *path),
          remove_directory_at(handle_of(folder), &text, &error))
PATH_CALL(path_unlink_file, (__wasi_fd_t fd, const char *path),
          unlink_file_at(handle_of(folder), &text, &error))

/* The same with another directory and path. */
#define PATHS_CALL(name, parameters, call)                                             \
    __wasi_errno_t __wasi_##name parameters {                                          \
        const file_t *folder = eryx_file(fd), *new_folder = eryx_file(new_fd);         \
        __wasi_errno_t refusal = check_path(folder, path);                             \
        if (refusal == 0) {                                                            \
            refusal = check_path(new_folder, new_path);                                \
        }                                                                              \
        if (refusal != 0) {                                                            \
            return refusal;                                                            \
        }                                                                              \
        sandbox_string_t text = text_of(path), new_text = text_of(new_path);           \
        wasi_filesystem_types_error_code_t error;                                      \
        return wasi_filesystem_types_method_descriptor_##call ? 0 : eryx_error(error); \
    }

PATHS_CALL(path_link,
           (__wasi_fd_t fd, __wasi_lookupflags_t lookup, const char *path, __wasi_fd_t new_fd,
            const char *new_path),
           link_at(handle_of(folder), flags_of(lookup), &text, handle_of(new_folder), &new_text,
                   &error))
PATHS_CALL(path_rename,
           (__wasi_fd_t fd, const char *path, __wasi_fd_t new_fd, const char *new_path),
           rename_at(handle_of(folder), &text, handle_of(new_folder), &new_text, &error))

__wasi_errno_t __wasi_path_symlink(const char *target, __wasi_fd_t fd, const char *path) {
    const file_t *folder = eryx_file(fd);
    __wasi_errno_t refusal = is_text(target) ? check_path(folder, path) : __WASI_ERRNO_ILSEQ;
    if (refusal != 0) {
        return refusal;
    }
    sandbox_string_t to = text_of(target), text = text_of(path);
    wasi_filesystem_types_error_code_t error;
    return wasi_filesystem_types_method_descriptor_symlink_at(handle_of(folder), &to, &text, &error)
               ? 0
               : eryx_error(error);
}

__wasi_errno_t __wasi_path_readlink(__wasi_fd_t fd, const char *path, uint8_t *into,
                                    __wasi_size_t size, __wasi_size_t *length) {
    const file_t *folder = eryx_file(fd);
    __wasi_errno_t refusal = check_path(folder, path);
    if (refusal != 0) {
        return refusal;
    }
    sandbox_string_t text = text_of(path), target;
    wasi_filesystem_types_error_code_t error;
    if (!wasi_filesystem_types_method_descriptor_readlink_at(handle_of(folder), &text, &target,
                                                             &error)) {
        return eryx_error(error);
    }
    *length = target.len < size ? target.len : size;
    memcpy(into, target.ptr, *length);
    sandbox_string_free(&target);
    return 0;
}

/* --- What is known of files --------------------------------------------- */

static __wasi_filetype_t type_of(wasi_filesystem_types_descriptor_type_t type) {
    switch (type) {
        case WASI_FILESYSTEM_TYPES_DESCRIPTOR_TYPE_BLOCK_DEVICE: return __WASI_FILETYPE_BLOCK_DEVICE;
        case WASI_FILESYSTEM_TYPES_DESCRIPTOR_TYPE_CHARACTER_DEVICE:
            return __WASI_FILETYPE_CHARACTER_DEVICE;
        case WASI_FILESYSTEM_TYPES_DESCRIPTOR_TYPE_DIRECTORY: return __WASI_FILETYPE_DIRECTORY;
        case WASI_FILESYSTEM_TYPES_DESCRIPTOR_TYPE_SYMBOLIC_LINK:
            return __WASI_FILETYPE_SYMBOLIC_LINK;
        case WASI_FILESYSTEM_TYPES_DESCRIPTOR_TYPE_REGULAR_FILE: return __WASI_FILETYPE_REGULAR_FILE;
        default: return __WASI_FILETYPE_UNKNOWN;
    }
}

static __wasi_timestamp_t time_of(const wasi_filesystem_types_option_datetime_t *time) {
    return time->is_some ? time->val.seconds * 1000000000 + time->val.nanoseconds : 0;
}

static void tell(const wasi_filesystem_types_descriptor_stat_t *known,
                 const wasi_filesystem_types_metadata_hash_value_t *hash,
                 __wasi_filestat_t *answer) {
    *answer = (__wasi_filestat_t){
        .dev = 1,
        .ino = hash->lower,
        .filetype = type_of(known->type),
        .nlink = known->link_count,
        .size = known->size,
        .atim = time_of(&known->data_access_timestamp),
        .mtim = time_of(&known->data_modification_timestamp),
        .ctim = time_of(&known->status_change_timestamp),
    };
}

__wasi_errno_t __wasi_path_filestat_get(__wasi_fd_t fd, __wasi_lookupflags_t lookup,
                                        const char *path, __wasi_filestat_t *answer) {
    const file_t *folder = eryx_file(fd);
    __wasi_errno_t refusal = check_path(folder, path);
    if (refusal != 0) {
        return refusal;
    }
    sandbox_string_t text = text_of(path);
    wasi_filesystem_types_descriptor_stat_t known;
    wasi_filesystem_types_metadata_hash_value_t hash;
    wasi_filesystem_types_error_code_t error;
    if (!wasi_filesystem_types_method_descriptor_stat_at(handle_of(folder), flags_of(lookup), &text,
                                                         &known, &error)
        || !wasi_filesystem_types_method_descriptor_metadata_hash_at(
            handle_of(folder), flags_of(lookup), &text, &hash, &error)) {
        return eryx_error(error);
    }
    tell(&known, &hash, answer);
    return 0;
}

__wasi_errno_t __wasi_fd_filestat_get(__wasi_fd_t descriptor, __wasi_filestat_t *answer) {
    const file_t *file = eryx_file(descriptor);
    if (file == NULL) {
        return descriptor < FIRST_FILE ? eryx_libc_fd_filestat_get(descriptor, answer)
                                       : __WASI_ERRNO_BADF;
    }
    wasi_filesystem_types_descriptor_stat_t known;
    wasi_filesystem_types_metadata_hash_value_t hash;
    wasi_filesystem_types_error_code_t error;
    if (!wasi_filesystem_types_method_descriptor_stat(handle_of(file), &known, &error)
        || !wasi_filesystem_types_method_descriptor_metadata_hash(handle_of(file), &hash, &error)) {
        return eryx_error(error);
    }
    tell(&known, &hash, answer);
    return 0;
}

typedef wasi_filesystem_types_new_timestamp_t new_time_t;

static new_time_t new_time(__wasi_timestamp_t time, bool is_set, bool is_now) {
    new_time_t new = {.tag = WASI_FILESYSTEM_TYPES_NEW_TIMESTAMP_NO_CHANGE};
    if (is_now) {
        new.tag = WASI_FILESYSTEM_TYPES_NEW_TIMESTAMP_NOW;
    } else if (is_set) {
        new.tag = WASI_FILESYSTEM_TYPES_NEW_TIMESTAMP_TIMESTAMP;
        new.val.timestamp.seconds = time / 1000000000;
        new.val.timestamp.nanoseconds = (uint32_t)(time % 1000000000);
    }
    return new;
}

static new_time_t new_access(__wasi_timestamp_t time, __wasi_fstflags_t which) {
    return new_time(time, which & __WASI_FSTFLAGS_ATIM, which & __WASI_FSTFLAGS_ATIM_NOW);
}

static new_time_t new_modification(__wasi_timestamp_t time, __wasi_fstflags_t which) {
    return new_time(time, which & __WASI_FSTFLAGS_MTIM, which & __WASI_FSTFLAGS_MTIM_NOW);
}

__wasi_errno_t __wasi_path_filestat_set_times(__wasi_fd_t fd, __wasi_lookupflags_t lookup,
                                              const char *path, __wasi_timestamp_t accessed,
                                              __wasi_timestamp_t modified,
                                              __wasi_fstflags_t which) {
    const file_t *folder = eryx_file(fd);
    __wasi_errno_t refusal = check_path(folder, path);
    if (refusal != 0) {
        return refusal;
    }
    sandbox_string_t text = text_of(path);
    new_time_t access = new_access(accessed, which), change = new_modification(modified, which);
    wasi_filesystem_types_error_code_t error;
    return wasi_filesystem_types_method_descriptor_set_times_at(
               handle_of(folder), flags_of(lookup), &text, &access, &change, &error)
               ? 0
               : eryx_error(error);
}

__wasi_errno_t __wasi_fd_filestat_set_times(__wasi_fd_t descriptor, __wasi_timestamp_t accessed,
                                            __wasi_timestamp_t modified,
                                            __wasi_fstflags_t which) {
    const file_t *file = eryx_file(descriptor);
    if (file == NULL) {
        return __WASI_ERRNO_BADF;
    }
    new_time_t access = new_access(accessed, which), change = new_modification(modified, which);
    wasi_filesystem_types_error_code_t error;
    return wasi_filesystem_types_method_descriptor_set_times(handle_of(file), &access, &change,
                                                             &error)
               ? 0
               : eryx_error(error);
}

extern int __isatty(int descriptor);

/* Nothing that has a path is a terminal. */
int isatty(int descriptor) {
    if (eryx_is_opened(descriptor)) {
        errno = ENOTTY;
        return 0;
    }
    return __isatty(descriptor);
}

static int answer(__wasi_errno_t error, const __wasi_filestat_t *found, struct stat *known) {
    if (error != 0) {
        errno = error;
        return -1;
    }
    *known = (struct stat){
        .st_dev = found->dev,
        .st_ino = found->ino,
        .st_nlink = found->nlink,
        .st_size = (off_t)found->size,
        .st_blksize = 4096,
        .st_blocks = (blkcnt_t)((found->size + 511) / 512),
        .st_atim = {(time_t)(found->atim / 1000000000), (long)(found->atim % 1000000000)},
        .st_mtim = {(time_t)(found->mtim / 1000000000), (long)(found->mtim % 1000000000)},
        .st_ctim = {(time_t)(found->ctim / 1000000000), (long)(found->ctim % 1000000000)},
    };
    switch (found->filetype) {
        case __WASI_FILETYPE_DIRECTORY: known->st_mode = S_IFDIR | 0755; break;
        case __WASI_FILETYPE_REGULAR_FILE: known->st_mode = S_IFREG | 0644; break;
        case __WASI_FILETYPE_SYMBOLIC_LINK: known->st_mode = S_IFLNK | 0777; break;
        case __WASI_FILETYPE_CHARACTER_DEVICE: known->st_mode = S_IFCHR | 0666; break;
        case __WASI_FILETYPE_BLOCK_DEVICE: known->st_mode = S_IFBLK | 0666; break;
        case __WASI_FILETYPE_SOCKET_STREAM:
        case __WASI_FILETYPE_SOCKET_DGRAM: known->st_mode = S_IFSOCK | 0666; break;
        default: break;
    }
    return 0;
}

int fstat(int descriptor, struct stat *known) {
    __wasi_filestat_t found;
    return answer(__wasi_fd_filestat_get(descriptor, &found), &found, known);
}

/* What libc's `stat`, `lstat` and `fstatat` end in. */
int __wasilibc_nocwd_fstatat(int descriptor, const char *path, struct stat *known, int flags);

int __wasilibc_nocwd_fstatat(int descriptor, const char *path, struct stat *known, int flags) {
    __wasi_lookupflags_t follow =
        flags & AT_SYMLINK_NOFOLLOW ? 0 : __WASI_LOOKUPFLAGS_SYMLINK_FOLLOW;
    __wasi_filestat_t found;
    return answer(__wasi_path_filestat_get((__wasi_fd_t)descriptor, follow, path, &found), &found,
                  known);
}
