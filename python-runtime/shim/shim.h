/* What the parts of the shim know of each other. */
#ifndef ERYX_SHIM_H
#define ERYX_SHIM_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>
#include <wasi/api.h>

/* host.c: the built-in module `_eryx`, the guest library's way to the host. */
PyObject *PyInit__eryx(void);

/* compile.c: code that leaves its last expression's value, for that module. */
PyObject *eryx_compile(PyObject *module, PyObject *const *arguments, Py_ssize_t count);

/* calls.c: the host's callbacks, for that module. */
PyObject *eryx_use_json(PyObject *module, PyObject *const *arguments, Py_ssize_t count);
void eryx_limit_arguments(size_t bytes);
PyObject *eryx_start_call(PyObject *module, PyObject *const *arguments, Py_ssize_t count);
PyObject *eryx_take_call(PyObject *module, PyObject *operation);

/* chance.c: the generator behind `random`, for that module. */
PyObject *eryx_use_random(PyObject *module, PyObject *generator);
PyObject *eryx_random_state(PyObject *module, PyObject *unused);
PyObject *eryx_set_random_state(PyObject *module, PyObject *state);
PyObject *eryx_seed_random(PyObject *module, PyObject *entropy);

/* loop.c: what asyncio's loop does for each callback, for that module. */
PyObject *eryx_use_loop(PyObject *module, PyObject *const *arguments, Py_ssize_t count);
PyObject *eryx_is_in_callback(PyObject *module, PyObject *unused);

/* task_set.c: the set of asyncio's tasks, for that module. */
PyObject *eryx_use_task_set(PyObject *module, PyObject *set);

/* sleep.c: waits in the host; what has finished is kept until it is taken: the futures of
   a dict end, the numbers of others are answered. */
bool eryx_wait(uint64_t nanoseconds);
PyObject *eryx_take_told(PyObject *futures);

/* Nanoseconds until then; INT64_MAX for what does not fit. */
int64_t eryx_left(clockid_t clock, const struct timespec *end);

/* What has finished in an interpreter that this memory comes from. */
void eryx_forget_told(void);

/* meanwhile.c: what is to be called where C code waits, for the module `_eryx`; and calling
   it, with so much time (negative: without end). False if there is nothing to call, or if
   Python has yet to raise what came of the last call. */
PyObject *eryx_use_meanwhile(PyObject *module, PyObject *argument);
bool eryx_go_on(int64_t nanoseconds);
bool eryx_has_raised(void);

/* digits.c: has ints written by it; before the interpreter starts. */
void eryx_use_digits(void);

/* image.c: numbers of what the host keeps for the guest. */
PyObject *eryx_number(uint32_t number);
bool eryx_number_of(PyObject *object, uint32_t *out);
/* The same for `PyArg_ParseTuple`'s `O&`. */
int eryx_number_converter(PyObject *object, void *out);

/* clock.c: the time that a copy of this memory goes on from. */
void eryx_note_clock(void);
void eryx_continue_clock(void);

/* image.c: where the next list or string goes that the host hands over, if it fits;
   NULL for anywhere. */
void eryx_put_next(void *place, size_t size);

/* open_files.c: what is open, and opening it again in a copy of this memory. */
__wasi_errno_t eryx_open_file(__wasi_fd_t folder, __wasi_lookupflags_t lookup, const char *path,
                              __wasi_oflags_t open, __wasi_rights_t rights,
                              __wasi_fdflags_t status, __wasi_fd_t *opened);
bool eryx_is_opened(__wasi_fd_t descriptor);
/* From now on there is a host that has files. */
void eryx_use_files(void);
void eryx_reopen_files(void);

/* libc's own calls to WASI, for the standard streams. */
__wasi_errno_t eryx_libc_fd_fdstat_get(__wasi_fd_t descriptor, __wasi_fdstat_t *answer);
__wasi_errno_t eryx_libc_fd_fdstat_set_flags(__wasi_fd_t descriptor, __wasi_fdflags_t status);
__wasi_errno_t eryx_libc_fd_filestat_get(__wasi_fd_t descriptor, __wasi_filestat_t *answer);
__wasi_errno_t eryx_libc_fd_read(__wasi_fd_t descriptor, const __wasi_iovec_t *parts, size_t count,
                                 __wasi_size_t *got);

/* text.c: what a text file does not tell, for that module. */
PyObject *eryx_newline_of(PyObject *module, PyObject *file);

/* trace.c: what `sys.monitoring` calls, for that module. */
PyObject *eryx_trace_begin(PyObject *module, PyObject *disable);
PyObject *eryx_trace_line(PyObject *module, PyObject *const *arguments, Py_ssize_t count);
PyObject *eryx_trace_call(PyObject *module, PyObject *const *arguments, Py_ssize_t count);
PyObject *eryx_trace_return(PyObject *module, PyObject *const *arguments, Py_ssize_t count);
PyObject *eryx_trace_suspend(PyObject *module, PyObject *const *arguments, Py_ssize_t count);
PyObject *eryx_trace_resume(PyObject *module, PyObject *const *arguments, Py_ssize_t count);
PyObject *eryx_trace_exception(PyObject *module, PyObject *const *arguments, Py_ssize_t count);
PyObject *eryx_trace_unwind(PyObject *module, PyObject *const *arguments, Py_ssize_t count);
PyObject *eryx_trace_throw(PyObject *module, PyObject *const *arguments, Py_ssize_t count);

/* breaker.c: whether the host can ask the program to end, asking soon, asking soon
   after the host may have kept the program waiting, asking the program again, and
   sending output when the call that wrote it is through. */
void eryx_breaker_watch(bool watch);
void eryx_breaker_hurry(void);
void eryx_breaker_waited(void);
void eryx_breaker_insist(void);
/* Whether that is to come. */
bool eryx_breaker_insists(void);
void eryx_breaker_send(void);

/* net.c: the built-in module `_eryx_net`. */
PyObject *PyInit__eryx_net(void);

/* streams.c: descriptors 0, 1 and 2. */
bool eryx_open_streams(void);

/* flush.c: the program's own streams at its end, for that module. */
PyObject *eryx_flush_streams(bool lasting);

/* output.c: what goes to the output import, and sending what is gathered. */
void eryx_write_output(int descriptor, const void *bytes, size_t length);
void eryx_send_output(void);

/* immortal.c: leaves no reference count that a run could change. */
void eryx_make_all_immortal(void);

/* memory.c: where the allocator takes memory from; so much without growing. */
bool eryx_keep_memory(size_t bytes);
/* Whether what is kept for telling of the end of memory may be used. */
void eryx_open_reserve(bool open);

/* malloc.c: gives back what lies behind the last block, and leaves zeros there. */
void eryx_trim_heap(void);

/* heap.c: leaves the heap so that a run writes to few pages of it. */
void eryx_settle_heap(void);

/* archive.c: the standard library, a zip file in memory, which changes only while
   the runtime is built. */
PyObject *eryx_archive(bool may_change);
bool eryx_shorten_archive(size_t to);

/* frozen.c (generated): what must be importable before the archive is. */
extern const struct _frozen eryx_frozen_modules[];

/* start.c: the guest library's entry point, found once. */
extern PyObject *eryx_execute;

#endif
