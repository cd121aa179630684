/* What is open, so that it can be opened again where a copied memory goes on:
   descriptors are the host's, and its files stay behind. */
#include "shim.h"

#include <stdlib.h>
#include <string.h>

extern __wasi_errno_t eryx_libc_path_open(__wasi_fd_t fd, __wasi_lookupflags_t lookup,
                                          const char *path, __wasi_oflags_t open,
                                          __wasi_rights_t rights, __wasi_rights_t inherited,
                                          __wasi_fdflags_t status, __wasi_fd_t *opened);

/* Resets libc's table of preopened directories: the next file access looks them
   up again. */
extern void __wasilibc_reset_preopens(void);

typedef struct {
    /* From the preopened directory `base`; NULL for what is not open. */
    char *path;
    __wasi_fd_t base;
    __wasi_lookupflags_t lookup;
    __wasi_oflags_t open;
    __wasi_rights_t rights;
    __wasi_fdflags_t status;
    __wasi_filesize_t position;
    /* What the adapter said of a directory. */
    bool is_asked;
    __wasi_fdstat_t answer;
} file_t;

static file_t *files;
static __wasi_fd_t count;

static file_t *find(__wasi_fd_t descriptor) {
    return descriptor >= 0 && descriptor < count && files[descriptor].path != NULL ? &files[descriptor] : NULL;
}

static bool make_room(__wasi_fd_t descriptor) {
    if (descriptor < count) {
        return true;
    }
    __wasi_fd_t larger = descriptor + 16;
    file_t *more = realloc(files, (size_t)larger * sizeof *files);
    if (more == NULL) {
        return false;
    }
    memset(more + count, 0, (size_t)(larger - count) * sizeof *files);
    files = more;
    count = larger;
    return true;
}

/* `path` from the preopened directory, where it may have been given from an open
   one below that. */
static char *whole_path(const file_t *folder, const char *path) {
    if (folder == NULL) {
        return strdup(path);
    }
    size_t length = strlen(folder->path);
    char *whole = malloc(length + strlen(path) + 2);
    if (whole != NULL) {
        strcpy(whole, folder->path);
        whole[length] = '/';
        strcpy(whole + length + 1, path);
    }
    return whole;
}

void eryx_remember_open(__wasi_fd_t descriptor, __wasi_fd_t folder, __wasi_lookupflags_t lookup,
                        const char *path, __wasi_oflags_t open, __wasi_rights_t rights,
                        __wasi_fdflags_t status) {
    if (!make_room(descriptor)) {
        return;
    }
    const file_t *base = find(folder);
    eryx_forget_open(descriptor);
    files[descriptor] = (file_t){
        .path = whole_path(base, path),
        .base = base ? base->base : folder,
        .lookup = lookup,
        /* It is there, and what is in it stays. */
        .open = open & __WASI_OFLAGS_DIRECTORY,
        .rights = rights,
        .status = status,
    };
}

void eryx_forget_open(__wasi_fd_t descriptor) {
    if (descriptor >= 0 && descriptor < count) {
        free(files[descriptor].path);
        files[descriptor] = (file_t){0};
    }
}

bool eryx_is_opened(__wasi_fd_t descriptor) {
    return find(descriptor) != NULL;
}

bool eryx_recall_folder(__wasi_fd_t descriptor, __wasi_fdstat_t *answer) {
    bool is_known = descriptor >= 0 && descriptor < count && files[descriptor].is_asked;
    if (is_known) {
        *answer = files[descriptor].answer;
    }
    return is_known;
}

void eryx_remember_folder(__wasi_fd_t descriptor, const __wasi_fdstat_t *answer) {
    if (make_room(descriptor)) {
        files[descriptor].is_asked = true;
        files[descriptor].answer = *answer;
    }
}

bool eryx_status_of(__wasi_fd_t descriptor, __wasi_fdflags_t *status) {
    const file_t *file = find(descriptor);
    if (file == NULL) {
        return false;
    }
    *status = file->status & (__WASI_FDFLAGS_APPEND | __WASI_FDFLAGS_NONBLOCK);
    return true;
}

void eryx_remember_status(__wasi_fd_t descriptor, __wasi_fdflags_t status) {
    file_t *file = find(descriptor);
    if (file != NULL) {
        file->status = status;
    }
}

void eryx_note_files(void) {
    for (__wasi_fd_t descriptor = 0; descriptor < count; descriptor++) {
        file_t *file = find(descriptor);
        if (file != NULL && __wasi_fd_tell(descriptor, &file->position) != 0) {
            file->position = 0;
        }
    }
}

/* Opens `file` under the next free number; what cannot be opened any more is a
   directory, which refuses to be read and written. False: not even that. */
static bool reopen(file_t *file, __wasi_fd_t folder, __wasi_fd_t *opened) {
    if (file != NULL
        && eryx_libc_path_open(file->base, file->lookup, file->path, file->open, file->rights, 0,
                               file->status, opened)
               == 0) {
        __wasi_filesize_t position;
        (void)__wasi_fd_seek(*opened, (__wasi_filedelta_t)file->position, __WASI_WHENCE_SET,
                             &position);
        return true;
    }
    return eryx_libc_path_open(folder, 0, ".", __WASI_OFLAGS_DIRECTORY, 0, 0, 0, opened) == 0;
}

/* The first number after the preopened directories. */
static __wasi_fd_t first_free(void) {
    __wasi_fd_t descriptor = 3;
    __wasi_prestat_t known;
    while (__wasi_fd_prestat_get(descriptor, &known) == 0) {
        descriptor++;
    }
    return descriptor;
}

/* Numbers are given in order: what lies between those that were open is opened
   too, and closed at last. */
void eryx_reopen_files(void) {
    __wasilibc_reset_preopens();
    __wasi_fd_t end = 0, folder = 0;
    for (__wasi_fd_t descriptor = 0; descriptor < count; descriptor++) {
        const file_t *file = find(descriptor);
        files[descriptor].is_asked = false;
        if (file != NULL) {
            end = descriptor + 1;
            folder = file->base;
        }
    }
    if (end == 0) {
        return;
    }
    __wasi_fd_t first = first_free(), next = first, opened;
    while (next < end && reopen(find(next), folder, &opened) && opened == next) {
        next++;
    }
    while (first < next) {
        if (find(first) == NULL) {
            (void)__wasi_fd_close(first);
        }
        first++;
    }
}
