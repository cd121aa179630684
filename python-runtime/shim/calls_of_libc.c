/* libc's calls to WASI, in libc's stead: some go by another name here, so that
   shim/files.c and shim/clock.c can stand before them. So does `fcntl`, for
   shim/record_locks.c. */
#define fcntl eryx_libc_fcntl
#define __wasi_clock_time_get eryx_libc_clock_time_get
#define __wasi_fd_fdstat_get eryx_libc_fd_fdstat_get
#define __wasi_fd_fdstat_set_flags eryx_libc_fd_fdstat_set_flags
#define __wasi_fd_seek eryx_libc_fd_seek
#define __wasi_fd_tell eryx_libc_fd_tell
#define __wasi_path_create_directory eryx_libc_path_create_directory
#define __wasi_path_filestat_get eryx_libc_path_filestat_get
#define __wasi_path_filestat_set_times eryx_libc_path_filestat_set_times
#define __wasi_path_link eryx_libc_path_link
#define __wasi_path_open eryx_libc_path_open
#define __wasi_path_readlink eryx_libc_path_readlink
#define __wasi_path_remove_directory eryx_libc_path_remove_directory
#define __wasi_path_rename eryx_libc_path_rename
#define __wasi_path_symlink eryx_libc_path_symlink
#define __wasi_path_unlink_file eryx_libc_path_unlink_file

#pragma clang diagnostic ignored "-Weverything"
#include "libc-bottom-half/sources/__wasilibc_real.c"
#include "libc-bottom-half/cloudlibc/src/libc/fcntl/fcntl.c"
