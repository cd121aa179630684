/* Files. WASI takes paths as text: one that is no UTF-8 would end the instance,
   so it is refused here, before each call that has a path. WASI knows no modes:
   `stat` makes up the usual ones. */
#include "shim.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <wasi/api.h>

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

/* Defines `__wasi_NAME`, which libc calls, before what calls_of_libc.c has. */
#define CHECKED(name, paths_are_text, parameters, arguments) \
    extern __wasi_errno_t eryx_libc_##name parameters;   \
    __wasi_errno_t __wasi_##name parameters {         \
        if (!(paths_are_text)) {                             \
            return __WASI_ERRNO_ILSEQ;                       \
        }                                                    \
        return eryx_libc_##name arguments;               \
    }

CHECKED(path_create_directory, is_text(path), (__wasi_fd_t fd, const char *path), (fd, path))
CHECKED(path_filestat_get, is_text(path),
        (__wasi_fd_t fd, __wasi_lookupflags_t flags, const char *path, __wasi_filestat_t *stat),
        (fd, flags, path, stat))
CHECKED(path_filestat_set_times, is_text(path),
        (__wasi_fd_t fd, __wasi_lookupflags_t flags, const char *path, __wasi_timestamp_t accessed,
         __wasi_timestamp_t modified, __wasi_fstflags_t which),
        (fd, flags, path, accessed, modified, which))
CHECKED(path_link, is_text(path) && is_text(new_path),
        (__wasi_fd_t fd, __wasi_lookupflags_t flags, const char *path, __wasi_fd_t new_fd,
         const char *new_path),
        (fd, flags, path, new_fd, new_path))
CHECKED(path_readlink, is_text(path),
        (__wasi_fd_t fd, const char *path, uint8_t *into, __wasi_size_t size,
         __wasi_size_t *length),
        (fd, path, into, size, length))
CHECKED(path_remove_directory, is_text(path), (__wasi_fd_t fd, const char *path), (fd, path))
CHECKED(path_rename, is_text(path) && is_text(new_path),
        (__wasi_fd_t fd, const char *path, __wasi_fd_t new_fd, const char *new_path),
        (fd, path, new_fd, new_path))
CHECKED(path_symlink, is_text(target) && is_text(path),
        (const char *target, __wasi_fd_t fd, const char *path), (target, fd, path))
CHECKED(path_unlink_file, is_text(path), (__wasi_fd_t fd, const char *path), (fd, path))

#define OPEN_PARAMETERS                                                                  \
    (__wasi_fd_t fd, __wasi_lookupflags_t flags, const char *path, __wasi_oflags_t open, \
     __wasi_rights_t rights, __wasi_rights_t inherited, __wasi_fdflags_t status, __wasi_fd_t *opened)

extern __wasi_errno_t eryx_libc_path_open OPEN_PARAMETERS;

__wasi_errno_t __wasi_path_open OPEN_PARAMETERS {
    if (!is_text(path)) {
        return __WASI_ERRNO_ILSEQ;
    }
    __wasi_errno_t error =
        eryx_libc_path_open(fd, flags, path, open, rights, inherited, status, opened);
    if (error == 0) {
        eryx_remember_open(*opened, fd, flags, path, open, rights, status);
    }
    /* WASI has no word for too many open files. */
    return error == __WASI_ERRNO_NOMEM ? __WASI_ERRNO_MFILE : error;
}

__wasi_errno_t __wasi_fd_fdstat_set_flags(__wasi_fd_t fd, __wasi_fdflags_t status) {
    __wasi_errno_t error = eryx_libc_fd_fdstat_set_flags(fd, status);
    if (error == 0) {
        eryx_remember_status(fd, status);
    }
    return error;
}

/* libc asks before each open what the directory is that it is in: that stays. */
__wasi_errno_t __wasi_fd_fdstat_get(__wasi_fd_t fd, __wasi_fdstat_t *answer) {
    if (eryx_recall_folder(fd, answer)) {
        return 0;
    }
    __wasi_errno_t error = eryx_libc_fd_fdstat_get(fd, answer);
    if (error == 0 && answer->fs_filetype == __WASI_FILETYPE_DIRECTORY) {
        eryx_remember_folder(fd, answer);
    }
    return error;
}

/* The adapter says of what is closed that it cannot seek. */
static __wasi_errno_t seek_error(__wasi_fd_t fd, __wasi_errno_t error) {
    __wasi_fdstat_t known;
    bool closed = error == __WASI_ERRNO_SPIPE && __wasi_fd_fdstat_get(fd, &known) != 0;
    return closed ? __WASI_ERRNO_BADF : error;
}

extern __wasi_errno_t eryx_libc_fd_seek(__wasi_fd_t fd, __wasi_filedelta_t by,
                                        __wasi_whence_t from, __wasi_filesize_t *position);
extern __wasi_errno_t eryx_libc_fd_tell(__wasi_fd_t fd, __wasi_filesize_t *position);

__wasi_errno_t __wasi_fd_seek(__wasi_fd_t fd, __wasi_filedelta_t by, __wasi_whence_t from,
                              __wasi_filesize_t *position) {
    return seek_error(fd, eryx_libc_fd_seek(fd, by, from, position));
}

__wasi_errno_t __wasi_fd_tell(__wasi_fd_t fd, __wasi_filesize_t *position) {
    return seek_error(fd, eryx_libc_fd_tell(fd, position));
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
