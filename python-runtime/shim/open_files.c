/* What is open, and opening it again in a copy of this memory: handles are the
   host's, and its files stay behind. */
#include "files.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int eryx_look_at_file(int descriptor, struct stat *known);

/* Resets libc's table of preopened directories: the next file access looks them
   up again. */
extern void __wasilibc_reset_preopens(void);

/* By descriptor, from FIRST_FILE on. */
static file_t *files;
static __wasi_fd_t count;

/* Whether the preopened directories are among them. While the runtime is built there
   is no host that has any. */
static bool is_asked = true;

static bool make_room(__wasi_fd_t number) {
    if (number < count) {
        return true;
    }
    __wasi_fd_t larger = number + 16;
    file_t *more = realloc(files, (size_t)larger * sizeof *files);
    if (more == NULL) {
        return false;
    }
    memset(more + count, 0, (size_t)(larger - count) * sizeof *files);
    files = more;
    count = larger;
    return true;
}

static void forget(file_t *file) {
    free(file->path);
    *file = (file_t){0};
}

/* The host's directories have the first numbers, as libc expects. */
static void ask_for_directories(void) {
    wasi_filesystem_preopens_list_tuple2_own_descriptor_string_t all;
    is_asked = true;
    wasi_filesystem_preopens_get_directories(&all);
    for (size_t i = 0; i < all.len && make_room((__wasi_fd_t)i); i++) {
        sandbox_string_t name = all.ptr[i].f1;
        forget(&files[i]);
        files[i] = (file_t){
            .is_open = true,
            .is_preopened = true,
            .is_directory = true,
            .is_known = true,
            .handle = all.ptr[i].f0,
            .path = strndup((const char *)name.ptr, name.len),
        };
    }
    /* Not by the generated function, which would drop the handles, too. What has no
       items has no memory. */
    for (size_t i = 0; i < all.len; i++) {
        sandbox_string_free(&all.ptr[i].f1);
    }
    if (all.len > 0) {
        free(all.ptr);
    }
}

static file_t *find(__wasi_fd_t descriptor) {
    if (!is_asked) {
        ask_for_directories();
    }
    __wasi_fd_t number = descriptor - FIRST_FILE;
    return number >= 0 && number < count && files[number].is_open ? &files[number] : NULL;
}

file_t *eryx_file(__wasi_fd_t descriptor) {
    file_t *file = find(descriptor);
    return file != NULL && !file->is_lost ? file : NULL;
}

void eryx_use_files(void) {
    __wasilibc_reset_preopens();
    is_asked = false;
}

const char *eryx_preopened_as(__wasi_fd_t descriptor) {
    const file_t *file = find(descriptor);
    return file != NULL && file->is_preopened ? file->path : NULL;
}

/* `path` from the preopened directory, where it may have been given from an open
   one below that. */
static char *whole_path(const file_t *folder, const char *path) {
    if (folder->is_preopened) {
        return strdup(path);
    }
    if (folder->path == NULL) {
        return NULL;
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

/* The lowest number that is free, as POSIX says; -1 without memory. */
static __wasi_fd_t free_number(void) {
    __wasi_fd_t number = 0;
    while (number < count && files[number].is_open) {
        number++;
    }
    return make_room(number) ? number : -1;
}

__wasi_errno_t eryx_open_file(__wasi_fd_t descriptor, __wasi_lookupflags_t lookup,
                              const char *path, __wasi_oflags_t open, __wasi_rights_t rights,
                              __wasi_fdflags_t status, __wasi_fd_t *opened) {
    const file_t *folder = eryx_file(descriptor);
    if (folder == NULL) {
        return __WASI_ERRNO_BADF;
    }
    file_t file = {
        .is_open = true,
        .is_directory = open & __WASI_OFLAGS_DIRECTORY,
        /* Only files are written to. */
        .is_known = (open & __WASI_OFLAGS_DIRECTORY) || (rights & __WASI_RIGHTS_FD_WRITE),
        .path = whole_path(folder, path),
        .base = folder->is_preopened ? descriptor : folder->base,
        .lookup = lookup,
        /* It is there, and what is in it stays. */
        .open = open & __WASI_OFLAGS_DIRECTORY,
        .rights = rights,
        .status = status,
    };
    __wasi_errno_t error =
        eryx_open_at(folder, lookup, path, open, rights, status, &file.handle);
    if (error != 0) {
        free(file.path);
        return error;
    }
    __wasi_fd_t number = free_number();
    if (number < 0) {
        wasi_filesystem_types_descriptor_drop_own(file.handle);
        free(file.path);
        return __WASI_ERRNO_NOMEM;
    }
    files[number] = file;
    *opened = number + FIRST_FILE;
    return 0;
}

__wasi_errno_t __wasi_fd_close(__wasi_fd_t descriptor) {
    file_t *file = find(descriptor);
    /* Through the preopened directories all paths lead. */
    if (file == NULL || file->is_preopened) {
        return __WASI_ERRNO_BADF;
    }
    if (file->appends) {
        wasi_io_streams_output_stream_drop_own(file->appended_to);
    }
    if (!file->is_lost) {
        wasi_filesystem_types_descriptor_drop_own(file->handle);
    }
    forget(file);
    return 0;
}

__wasi_errno_t __wasi_fd_renumber(__wasi_fd_t from, __wasi_fd_t to) {
    file_t *file = find(from), *other = find(to);
    if (file == NULL || other == NULL || file->is_preopened || other->is_preopened) {
        return __WASI_ERRNO_BADF;
    }
    if (file != other) {
        (void)__wasi_fd_close(to);
        *other = *file;
        *file = (file_t){0};
    }
    return 0;
}

/* For CPython's `FileIO`, in the stead of `fstat`: when it is made, of an open file, it
   asks only whether that is a directory. */
int eryx_look_at_file(int descriptor, struct stat *known) {
    file_t *file = eryx_file(descriptor);
    bool is_directory;
    if (file == NULL || file->was_looked_at || eryx_is_directory(file, &is_directory) != 0) {
        return fstat(descriptor, known);
    }
    file->was_looked_at = true;
    *known = (struct stat){.st_mode = is_directory ? S_IFDIR | 0755 : S_IFREG | 0644};
    return 0;
}

bool eryx_is_opened(__wasi_fd_t descriptor) {
    return find(descriptor) != NULL;
}

static bool reopen(file_t *file) {
    const file_t *base = eryx_file(file->base);
    return file->path != NULL && base != NULL
           && eryx_open_at(base, file->lookup, file->path, file->open, file->rights,
                           file->status, &file->handle)
                  == 0;
}

void eryx_reopen_files(void) {
    bool any = false;
    eryx_use_files();
    for (__wasi_fd_t number = 0; number < count; number++) {
        if (files[number].is_preopened) {
            forget(&files[number]);
        }
        any = any || files[number].is_open;
    }
    if (any) {
        ask_for_directories();
    }
    for (__wasi_fd_t number = 0; number < count; number++) {
        file_t *file = &files[number];
        if (file->is_open && !file->is_preopened) {
            file->appends = false;
            file->is_lost = !reopen(file);
        }
    }
}
