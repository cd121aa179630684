/* libc's calls to WASI, in libc's stead: some go by another name here, so that
   the shim's files (open_files.c, files.c, descriptors.c, contents.c) and clock.c can
   stand before them. So does `fcntl`, for record_locks.c. */
#define fcntl eryx_libc_fcntl
#define __wasi_clock_time_get eryx_libc_clock_time_get
#define __wasi_fd_advise eryx_libc_fd_advise
#define __wasi_fd_allocate eryx_libc_fd_allocate
#define __wasi_fd_close eryx_libc_fd_close
#define __wasi_fd_datasync eryx_libc_fd_datasync
#define __wasi_fd_fdstat_get eryx_libc_fd_fdstat_get
#define __wasi_fd_fdstat_set_flags eryx_libc_fd_fdstat_set_flags
#define __wasi_fd_filestat_get eryx_libc_fd_filestat_get
#define __wasi_fd_filestat_set_size eryx_libc_fd_filestat_set_size
#define __wasi_fd_filestat_set_times eryx_libc_fd_filestat_set_times
#define __wasi_fd_pread eryx_libc_fd_pread
#define __wasi_fd_prestat_dir_name eryx_libc_fd_prestat_dir_name
#define __wasi_fd_prestat_get eryx_libc_fd_prestat_get
#define __wasi_fd_pwrite eryx_libc_fd_pwrite
#define __wasi_fd_read eryx_libc_fd_read
#define __wasi_fd_renumber eryx_libc_fd_renumber
#define __wasi_fd_seek eryx_libc_fd_seek
#define __wasi_fd_sync eryx_libc_fd_sync
#define __wasi_fd_tell eryx_libc_fd_tell
#define __wasi_fd_write eryx_libc_fd_write
#define __wasi_path_create_directory eryx_libc_path_create_directory
#define __wasi_path_filestat_get eryx_libc_path_filestat_get
#define __wasi_path_filestat_set_times eryx_libc_path_filestat_set_times
#define __wasi_path_link eryx_libc_path_link
#define __wasi_path_readlink eryx_libc_path_readlink
#define __wasi_path_remove_directory eryx_libc_path_remove_directory
#define __wasi_path_rename eryx_libc_path_rename
#define __wasi_path_symlink eryx_libc_path_symlink
#define __wasi_path_unlink_file eryx_libc_path_unlink_file

#pragma clang diagnostic ignored "-Weverything"
#include "libc-bottom-half/sources/__wasilibc_real.c"

/* What `fcntl` calls is the shim's. */
#undef __wasi_fd_fdstat_get
#undef __wasi_fd_fdstat_set_flags
__wasi_errno_t __wasi_fd_fdstat_get(__wasi_fd_t descriptor, __wasi_fdstat_t *answer);
__wasi_errno_t __wasi_fd_fdstat_set_flags(__wasi_fd_t descriptor, __wasi_fdflags_t status);
#include "libc-bottom-half/cloudlibc/src/libc/fcntl/fcntl.c"
