/* The built-in module `_eryx`. */
#include "shim.h"

#include "sandbox.h"

static PyObject *host_archive(PyObject *module, PyObject *unused) {
    (void)module, (void)unused;
    return eryx_archive(false);
}

static PyObject *host_change_archive(PyObject *module, PyObject *unused) {
    (void)module, (void)unused;
    return eryx_archive(true);
}

static PyObject *host_shorten_archive(PyObject *module, PyObject *argument) {
    (void)module;
    size_t length = PyLong_AsSize_t(argument);
    if (PyErr_Occurred()) {
        return NULL;
    }
    if (!eryx_shorten_archive(length)) {
        PyErr_SetString(PyExc_ValueError, "the archive is shorter than that");
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *host_wait(PyObject *module, PyObject *const *arguments, Py_ssize_t count) {
    (void)module;
    if (count != 2 || !PyDict_Check(arguments[1])) {
        PyErr_SetString(PyExc_TypeError, "wait() takes a number and a dict of futures");
        return NULL;
    }
    unsigned long long nanoseconds = PyLong_AsUnsignedLongLong(arguments[0]);
    if (PyErr_Occurred()) {
        return NULL;
    }
    if (!eryx_wait(nanoseconds)) {
        return PyErr_NoMemory();
    }
    /* The wait may have ended because the host wants the program to. */
    return PyErr_CheckSignals() < 0 ? NULL : eryx_take_told(arguments[1]);
}

static PyObject *host_cancel(PyObject *module, PyObject *argument) {
    (void)module;
    uint32_t operation;
    if (!eryx_number_of(argument, &operation)) {
        return NULL;
    }
    eryx_runtime_waiting_cancel(operation);
    Py_RETURN_NONE;
}

/* Calls a function that has nothing to do with the exceptions that are handled: none of
   them becomes the context of one that it raises. */
static PyObject *host_apart(PyObject *module, PyObject *function) {
    (void)module;
    PyThreadState *thread = PyThreadState_Get();
    _PyErr_StackItem none = {0};
    _PyErr_StackItem *handled = thread->exc_info;
    thread->exc_info = &none;
    PyObject *answer = PyObject_CallNoArgs(function);
    thread->exc_info = handled;
    return answer;
}

static PyObject *host_watch(PyObject *module, PyObject *argument) {
    (void)module;
    eryx_breaker_watch(PyObject_IsTrue(argument) == 1);
    Py_RETURN_NONE;
}

/* Of the guest library: told of the frame that the signal meets, answers what to
   raise there or None. */
static PyObject *ask_to_stop;

static PyObject *host_use_stop(PyObject *module, PyObject *argument) {
    (void)module;
    Py_XSETREF(ask_to_stop, Py_NewRef(argument));
    Py_RETURN_NONE;
}

/* The handler of the signal that says so. It is C so that no frame of ours is in
   the program's traceback. */
static PyObject *host_raise_stop(PyObject *module, PyObject *const *arguments, Py_ssize_t count) {
    (void)module;
    PyObject *stop = PyObject_CallOneArg(ask_to_stop, count > 1 ? arguments[1] : Py_None);
    if (stop == NULL || stop == Py_None) {
        return stop;
    }
    PyErr_SetObject((PyObject *)Py_TYPE(stop), stop);
    Py_DECREF(stop);
    return NULL;
}

static PyObject *host_insist(PyObject *module, PyObject *unused) {
    (void)module, (void)unused;
    eryx_breaker_insist();
    Py_RETURN_NONE;
}

static PyObject *host_open_streams(PyObject *module, PyObject *unused) {
    (void)module, (void)unused;
    return PyBool_FromLong(eryx_open_streams());
}

static PyObject *host_flush_streams(PyObject *module, PyObject *argument) {
    (void)module;
    return eryx_flush_streams(PyObject_IsTrue(argument) == 1);
}

static PyObject *host_open_reserve(PyObject *module, PyObject *unused) {
    (void)module, (void)unused;
    eryx_open_reserve(true);
    Py_RETURN_NONE;
}

#define TRACE(name)                                                            \
    {"trace_" #name, (PyCFunction)(void (*)(void))eryx_trace_##name,           \
     METH_FASTCALL, "Tell the host: for `sys.monitoring`."}

static PyMethodDef methods[] = {
    {"archive", host_archive, METH_NOARGS, "The standard library's zip file."},
    {"change_archive", host_change_archive, METH_NOARGS, "The same, to be written to."},
    {"shorten_archive", host_shorten_archive, METH_O, "How many bytes of it are left."},
    {"compile", (PyCFunction)(void (*)(void))eryx_compile, METH_FASTCALL,
     "Code that leaves its last expression's value in its namespace, as `<value>`."},
    {"wait", (PyCFunction)(void (*)(void))host_wait, METH_FASTCALL,
     "Wait for operations to finish, that many nanoseconds at most; end their futures, and "
     "return the numbers of those that have none."},
    {"cancel", host_cancel, METH_O, "Give an operation up."},
    {"use_json", (PyCFunction)(void (*)(void))eryx_use_json, METH_FASTCALL,
     "The encoder and the scanner for what crosses in calls."},
    {"start_call", (PyCFunction)(void (*)(void))eryx_start_call, METH_FASTCALL,
     "Call a callback: its number, its parameters' names, a tuple or a dict of arguments."},
    {"take_call", eryx_take_call, METH_O, "What came of a finished call."},
    {"use_random", eryx_use_random, METH_O, "The generator that the next three are about."},
    {"random_state", eryx_random_state, METH_NOARGS, "What it has, as bytes."},
    {"set_random_state", eryx_set_random_state, METH_O, "Have it go on from there."},
    {"seed_random", eryx_seed_random, METH_O, "Have it start anew, from 32 bytes."},
    {"use_loop", (PyCFunction)(void (*)(void))eryx_use_loop, METH_FASTCALL,
     "The classes of the loop and of its handles, and what a failed callback is told to."},
    {"use_task_set", eryx_use_task_set, METH_O, "The set that tasks enter and leave."},
    {"is_in_callback", eryx_is_in_callback, METH_NOARGS, "Whether a loop is calling anyone."},
    {"apart", host_apart, METH_O, "Call a function as if no exception was handled."},
    {"use_meanwhile", eryx_use_meanwhile, METH_O,
     "What to call, with a number of seconds or None, where C code would wait."},
    {"watch", host_watch, METH_O, "Whether to ask the host if the program shall end."},
    {"use_stop", host_use_stop, METH_O, "The function that says what to raise if it shall."},
    {"raise_stop", (PyCFunction)(void (*)(void))host_raise_stop, METH_FASTCALL,
     "What happens if it shall."},
    {"insist", host_insist, METH_NOARGS, "Have that happen once more, soon."},
    {"trace_begin", eryx_trace_begin, METH_O, "What the others answer to hear no more."},
    TRACE(line),
    TRACE(call),
    TRACE(return),
    TRACE(suspend),
    TRACE(resume),
    TRACE(exception),
    TRACE(unwind),
    TRACE(throw),
    {"newline_of", eryx_newline_of, METH_O, "What a text file was told of the ends of lines."},
    {"open_reserve", host_open_reserve, METH_NOARGS,
     "Let memory be used that is kept for telling that there is no more."},
    {"open_streams", host_open_streams, METH_NOARGS,
     "Connect descriptors 1 and 2 with the host's output again; whether they still were."},
    {"flush_streams", host_flush_streams, METH_O,
     "Flush them as CPython does at its end; false if something was lost. With true, it is not "
     "the end."},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef definition = {
    .m_base = PyModuleDef_HEAD_INIT,
    .m_name = "_eryx",
    .m_doc = "The way from the guest library to the host.",
    .m_methods = methods,
};

PyObject *PyInit__eryx(void) {
    return PyModule_Create(&definition);
}
