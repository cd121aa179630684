/* Directories, in libc's stead. The adapter begins a directory anew and counts
   forward wherever an entry ended just where the buffer did, or another directory
   was read in between: with libc's buffer of one size that is quadratic. Here a
   directory is read to its end when it is opened, in pieces that double, so that
   the time is linear whatever the adapter does, and what the program adds or
   removes meanwhile moves nothing. */
#include "shim.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <wasi/api.h>

#define FIRST_ROOM ((size_t)4096)

struct _DIR {
    int descriptor;
    bool is_read;
    /* Entries as WASI writes them: a header, then the name. */
    uint8_t *entries;
    size_t room;
    size_t used;
    size_t next;
    struct dirent *shown;
    size_t longest;
};

/* The entry at `at`; false if it does not end before `end`. */
static bool entry_at(const DIR *dir, size_t at, size_t end, __wasi_dirent_t *entry) {
    if (end - at < sizeof *entry) {
        return false;
    }
    memcpy(entry, dir->entries + at, sizeof *entry);
    return end - at - sizeof *entry >= entry->d_namlen;
}

/* Moves `used` over the whole entries before `end`; returns where to read on. */
static __wasi_dircookie_t take_entries(DIR *dir, size_t end, __wasi_dircookie_t from) {
    __wasi_dirent_t entry;
    while (entry_at(dir, dir->used, end, &entry)) {
        dir->used += sizeof entry + entry.d_namlen;
        if (entry.d_namlen > dir->longest) {
            dir->longest = entry.d_namlen;
        }
        from = entry.d_next;
    }
    return from;
}

static bool double_room(DIR *dir) {
    size_t room = dir->room == 0 ? FIRST_ROOM : dir->room * 2;
    uint8_t *more = room > dir->room ? realloc(dir->entries, room) : NULL;
    if (more == NULL) {
        return false;
    }
    dir->entries = more;
    dir->room = room;
    return true;
}

static __wasi_errno_t read_entries(DIR *dir) {
    __wasi_dircookie_t from = __WASI_DIRCOOKIE_START;
    dir->used = dir->next = 0;
    for (;;) {
        size_t left = dir->room - dir->used, got = 0;
        if (left > 0) {
            __wasi_errno_t error =
                __wasi_fd_readdir(dir->descriptor, dir->entries + dir->used, left, from, &got);
            if (error != 0) {
                return error;
            }
            size_t end = dir->used + got;
            from = take_entries(dir, end, from);
            if (got < left) {
                return 0;
            }
            /* The adapter would count from the start: what was removed meanwhile
               would hide something else. */
            if (dir->used == end) {
                from = __WASI_DIRCOOKIE_START;
                dir->used = 0;
            }
        }
        if (!double_room(dir)) {
            return __WASI_ERRNO_NOMEM;
        }
    }
}

static __wasi_errno_t fill(DIR *dir) {
    __wasi_errno_t error = read_entries(dir);
    if (error != 0) {
        return error;
    }
    struct dirent *shown = realloc(dir->shown, sizeof *shown + dir->longest + 1);
    if (shown == NULL) {
        return __WASI_ERRNO_NOMEM;
    }
    dir->shown = shown;
    dir->is_read = true;
    return 0;
}

int fdclosedir(DIR *dir) {
    int descriptor = dir->descriptor;
    free(dir->entries);
    free(dir->shown);
    free(dir);
    return descriptor;
}

int closedir(DIR *dir) {
    return close(fdclosedir(dir));
}

DIR *fdopendir(int descriptor) {
    DIR *dir = calloc(1, sizeof *dir);
    if (dir == NULL) {
        return NULL;
    }
    dir->descriptor = descriptor;
    __wasi_errno_t error = fill(dir);
    if (error != 0) {
        (void)fdclosedir(dir);
        errno = error;
        return NULL;
    }
    return dir;
}

struct dirent *readdir(DIR *dir) {
    __wasi_errno_t error = dir->is_read ? 0 : fill(dir);
    if (error != 0) {
        errno = error;
        return NULL;
    }
    __wasi_dirent_t entry;
    if (!entry_at(dir, dir->next, dir->used, &entry) || entry.d_namlen > dir->longest) {
        return NULL;
    }
    dir->shown->d_ino = entry.d_ino;
    dir->shown->d_type = entry.d_type;
    memcpy(dir->shown->d_name, dir->entries + dir->next + sizeof entry, entry.d_namlen);
    dir->shown->d_name[entry.d_namlen] = '\0';
    dir->next += sizeof entry + entry.d_namlen;
    return dir->shown;
}

/* The next `readdir` reads the directory as it is then. */
void rewinddir(DIR *dir) {
    dir->is_read = false;
}

long telldir(DIR *dir) {
    return dir->is_read ? (long)dir->next : 0;
}

void seekdir(DIR *dir, long place) {
    dir->next = (size_t)place <= dir->used ? (size_t)place : dir->used;
}

int dirfd(DIR *dir) {
    return dir->descriptor;
}
