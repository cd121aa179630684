/* Directories, in libc's stead: one is read to its end when it is opened, so that
   what the program adds or removes meanwhile moves nothing. */
#include "files.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FIRST_ROOM ((size_t)4096)

/* What most names fit in. */
#define ROOM_FOR_NAME 256

struct _DIR {
    int descriptor;
    bool is_read;
    /* Of each a header, then the name. */
    uint8_t *entries;
    size_t room;
    size_t used;
    size_t next;
    struct dirent *shown;
    size_t longest;
};

typedef struct {
    uint64_t inode;
    size_t length;
    uint8_t type;
} header_t;

/* Makes room for so many bytes after those that are used. */
static bool make_room(DIR *dir, size_t bytes) {
    size_t room = dir->room == 0 ? FIRST_ROOM : dir->room;
    while (room - dir->used < bytes) {
        if (__builtin_mul_overflow(room, 2, &room)) {
            return false;
        }
    }
    uint8_t *more = room > dir->room ? realloc(dir->entries, room) : dir->entries;
    if (more == NULL) {
        return false;
    }
    dir->entries = more;
    dir->room = room;
    return true;
}

static uint8_t type_of(wasi_filesystem_types_descriptor_type_t type) {
    switch (type) {
        case WASI_FILESYSTEM_TYPES_DESCRIPTOR_TYPE_DIRECTORY: return DT_DIR;
        case WASI_FILESYSTEM_TYPES_DESCRIPTOR_TYPE_REGULAR_FILE: return DT_REG;
        case WASI_FILESYSTEM_TYPES_DESCRIPTOR_TYPE_SYMBOLIC_LINK: return DT_LNK;
        default: return DT_UNKNOWN;
    }
}

/* 0 for what is no longer there. */
static uint64_t inode_of(const file_t *file, sandbox_string_t name) {
    wasi_filesystem_types_metadata_hash_value_t hash;
    wasi_filesystem_types_error_code_t error;
    bool is_there = wasi_filesystem_types_method_descriptor_metadata_hash_at(
        handle_of(file), 0, &name, &hash, &error);
    return is_there ? hash.lower : 0;
}

/* Takes over the entry, whose name may be in its place already. */
static bool take_entry(DIR *dir, const file_t *file,
                       const wasi_filesystem_types_directory_entry_t *entry) {
    sandbox_string_t name = entry->name;
    header_t header = {inode_of(file, name), name.len, type_of(entry->type)};
    bool is_placed = name.ptr == dir->entries + dir->used + sizeof header;
    bool fits = make_room(dir, sizeof header + name.len);
    if (fits) {
        uint8_t *place = dir->entries + dir->used;
        memcpy(place, &header, sizeof header);
        if (!is_placed) {
            memcpy(place + sizeof header, name.ptr, name.len);
        }
        dir->used += sizeof header + name.len;
        dir->longest = name.len > dir->longest ? name.len : dir->longest;
    }
    if (!is_placed && name.len > 0) {
        free(name.ptr);
    }
    return fits;
}

static __wasi_errno_t read_entries(DIR *dir) {
    const file_t *file = eryx_file(dir->descriptor);
    if (file == NULL) {
        return __WASI_ERRNO_BADF;
    }
    dir->used = dir->next = 0;
    wasi_filesystem_types_own_directory_entry_stream_t stream;
    wasi_filesystem_types_error_code_t code;
    if (!wasi_filesystem_types_method_descriptor_read_directory(handle_of(file), &stream, &code)) {
        return eryx_open_error(code);
    }
    wasi_filesystem_types_option_directory_entry_t entry = {.is_some = true};
    __wasi_errno_t error = 0;
    while (error == 0 && entry.is_some) {
        if (!make_room(dir, sizeof(header_t) + ROOM_FOR_NAME)) {
            error = __WASI_ERRNO_NOMEM;
            break;
        }
        uint8_t *place = dir->entries + dir->used + sizeof(header_t);
        eryx_put_next(place, (size_t)(dir->entries + dir->room - place));
        if (!wasi_filesystem_types_method_directory_entry_stream_read_directory_entry(
                wasi_filesystem_types_borrow_directory_entry_stream(stream), &entry, &code)) {
            error = eryx_error(code);
        } else if (entry.is_some && !take_entry(dir, file, &entry.val)) {
            error = __WASI_ERRNO_NOMEM;
        }
        eryx_put_next(NULL, 0);
    }
    wasi_filesystem_types_directory_entry_stream_drop_own(stream);
    return error;
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
    if (dir->next >= dir->used) {
        return NULL;
    }
    header_t header;
    memcpy(&header, dir->entries + dir->next, sizeof header);
    dir->next += sizeof header;
    dir->shown->d_ino = header.inode;
    dir->shown->d_type = header.type;
    memcpy(dir->shown->d_name, dir->entries + dir->next, header.length);
    dir->shown->d_name[header.length] = '\0';
    dir->next += header.length;
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
