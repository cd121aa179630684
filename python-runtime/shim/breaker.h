/* Included before everything else in every C file of CPython: where it meets the
   shim.

   CPython looks at two places for signals that arrive outside of it: at each
   backward jump and call, and whenever C code asks for signals. On Emscripten a
   hook is called there. It is given to us by standing in for the header that
   defines it. */
#ifndef ERYX_BREAKER_H
#define ERYX_BREAKER_H

/* `time.sleep` sleeps as sleep.c does. */
#define clock_nanosleep eryx_clock_nanosleep

/* The header's own guard: its definitions are left out. */
#define Py_EMSCRIPTEN_SIGNAL_H

#ifdef __cplusplus
extern "C" {
#endif

/* Counts down to the next time that the host is asked; see breaker.c. */
extern int eryx_breaker_clock;
extern void eryx_breaker_look(void);

/* How many bytes or items a program asks for; see counts.c. */
struct _object;
extern long eryx_count(struct _object *wanted);

#ifdef __cplusplus
}
#endif

/* C code asks seldom, after much work. */
#define ERYX_BREAKER_STEP_IN_C 500

#define _Py_CHECK_EMSCRIPTEN_SIGNALS_PERIODICALLY()                            \
    do {                                                                       \
        if (--eryx_breaker_clock < 0) {                                        \
            eryx_breaker_look();                                               \
        }                                                                      \
    } while (0)

#define _Py_CHECK_EMSCRIPTEN_SIGNALS()                                         \
    do {                                                                       \
        eryx_breaker_clock -= ERYX_BREAKER_STEP_IN_C;                          \
        if (eryx_breaker_clock < 0) {                                          \
            eryx_breaker_look();                                               \
        }                                                                      \
    } while (0)

/* After an instruction that another nearly always follows, without the way over the head
   of the interpreter's loop, where the host looks whether it is to go on, and the table. */
#define ERYX_DISPATCH_TO(instruction)                                          \
    do {                                                                       \
        NEXTOPARG();                                                           \
        if (opcode == instruction) {                                           \
            goto TARGET_##instruction;                                         \
        }                                                                      \
        DISPATCH_GOTO();                                                       \
    } while (0)

#endif
