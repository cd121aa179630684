/* What asyncio's loop does for each callback and each task, for the built-in module `_eryx`.
   CPython's own are several Python functions each; they are called where anything is out
   of the ordinary. */
#include "shim.h"

/* Where the slots of `asyncio.Handle` are. */
enum { CALLBACK, ARGS, CANCELLED, LOOP, SOURCE_TRACEBACK, REPR, CONTEXT, SLOTS };

static const char *const slot_names[SLOTS] = {"_callback", "_args", "_cancelled", "_loop",
                                              "_source_traceback", "_repr", "_context"};

static Py_ssize_t offsets[SLOTS];
static PyTypeObject *handle_type;

/* CPython's own functions, and what tells the loop that a callback has failed. */
static PyObject *usual_call_soon, *usual_create_task, *usual_run, *tell_of_failure;

/* What is in the module `asyncio.tasks`. */
static PyObject *tasks;

/* Names that are looked up. */
static PyObject *closed_name, *debug_name, *ready_name, *append_name, *factory_name, *task_name,
    *loop_name;

/* How many callbacks are under way, one within the other. */
static unsigned running;

static PyObject **slot(PyObject *handle, int which) {
    return (PyObject **)((char *)handle + offsets[which]);
}

/* The loop's attribute, if it is that. */
static PyObject *attribute(PyObject *loop, PyObject *name) {
    PyObject *value = PyObject_GetAttr(loop, name);
    if (value == NULL) {
        PyErr_Clear();
    }
    return value;
}

static bool is(PyObject *loop, PyObject *name, PyObject *constant) {
    PyObject *value = attribute(loop, name);
    Py_XDECREF(value);
    return value == constant;
}

/* Whether the loop is open and nobody looks for mistakes. */
static bool is_usual(PyObject *loop) {
    return is(loop, closed_name, Py_False) && is(loop, debug_name, Py_False);
}

/* How many arguments have names; -1 if one has another than this or the other, or the same
   as one before: keys of a class of its own may say that they differ. */
static Py_ssize_t count_named(PyObject *names, const char *one, const char *other) {
    Py_ssize_t count = names ? PyTuple_GET_SIZE(names) : 0;
    bool has_one = false, has_other = false;
    for (Py_ssize_t i = 0; i < count; i++) {
        PyObject *name = PyTuple_GET_ITEM(names, i);
        bool *has = PyUnicode_EqualToUTF8(name, one)              ? &has_one
                    : other && PyUnicode_EqualToUTF8(name, other) ? &has_other
                                                                  : NULL;
        if (has == NULL || *has) {
            return -1;
        }
        *has = true;
    }
    return count;
}

static PyObject *as_usual(PyObject *function, PyObject *loop, PyObject *const *arguments,
                          Py_ssize_t count, PyObject *names) {
    PyObject *method = PyMethod_New(function, loop);
    PyObject *answer = method ? PyObject_Vectorcall(method, arguments, (size_t)count, names) : NULL;
    Py_XDECREF(method);
    return answer;
}

/* --- Taking note --------------------------------------------------------- */

/* A handle for a function and its arguments. */
static PyObject *new_handle(PyObject *loop, PyObject *const *call, Py_ssize_t count,
                            PyObject *context) {
    PyObject *args = PyTuple_New(count - 1);
    PyObject *handle = args ? handle_type->tp_alloc(handle_type, 0) : NULL;
    if (handle == NULL) {
        Py_XDECREF(args);
        return NULL;
    }
    for (Py_ssize_t i = 1; i < count; i++) {
        PyTuple_SET_ITEM(args, i - 1, Py_NewRef(call[i]));
    }
    *slot(handle, CALLBACK) = Py_NewRef(call[0]);
    *slot(handle, ARGS) = args;
    *slot(handle, CANCELLED) = Py_False;
    *slot(handle, LOOP) = Py_NewRef(loop);
    *slot(handle, SOURCE_TRACEBACK) = Py_None;
    *slot(handle, REPR) = Py_None;
    *slot(handle, CONTEXT) = context == Py_None ? PyContext_CopyCurrent() : Py_NewRef(context);
    if (*slot(handle, CONTEXT) == NULL) {
        Py_CLEAR(handle);
    }
    return handle;
}

static PyObject *call_soon(PyObject *loop, PyObject *const *arguments, Py_ssize_t count,
                           PyObject *names) {
    Py_ssize_t named = count_named(names, "context", NULL);
    bool usual = count > 0 && named >= 0 && is_usual(loop);
    PyObject *ready = usual ? attribute(loop, ready_name) : NULL;
    if (ready == NULL) {
        return as_usual(usual_call_soon, loop, arguments, count, names);
    }
    PyObject *handle = new_handle(loop, arguments, count, named ? arguments[count] : Py_None);
    PyObject *added = handle ? PyObject_CallMethodOneArg(ready, append_name, handle) : NULL;
    Py_DECREF(ready);
    if (added == NULL) {
        Py_CLEAR(handle);
    }
    Py_XDECREF(added);
    return handle;
}

/* These names, and `loop`. */
static PyObject *and_loop(PyObject *names, Py_ssize_t count) {
    PyObject *all = PyTuple_New(count + 1);
    for (Py_ssize_t i = 0; all != NULL && i <= count; i++) {
        PyTuple_SET_ITEM(all, i, Py_NewRef(i < count ? PyTuple_GET_ITEM(names, i) : loop_name));
    }
    return all;
}

static PyObject *create_task(PyObject *loop, PyObject *const *arguments, Py_ssize_t count,
                             PyObject *names) {
    Py_ssize_t named = count_named(names, "name", "context");
    bool usual = count == 1 && named >= 0 && is_usual(loop) && is(loop, factory_name, Py_None);
    PyObject *type = usual ? PyDict_GetItemWithError(tasks, task_name) : NULL;
    if (type == NULL) {
        return as_usual(usual_create_task, loop, arguments, count, names);
    }
    PyObject *call[] = {arguments[0], NULL, NULL, NULL};
    for (Py_ssize_t i = 1; i <= named; i++) {
        call[i] = arguments[i];
    }
    call[1 + named] = loop;
    PyObject *all = and_loop(names, named);
    PyObject *task = all ? PyObject_Vectorcall(type, call, 1, all) : NULL;
    Py_XDECREF(all);
    return task;
}

static PyObject *get_debug(PyObject *loop, PyObject *unused) {
    (void)unused;
    return PyObject_GetAttr(loop, debug_name);
}

/* --- Calling ------------------------------------------------------------- */

static PyObject *call_in(PyObject *context, PyObject *callback, PyObject *args) {
    if (PyContext_Enter(context) < 0) {
        return NULL;
    }
    PyObject *answer = PyObject_Call(callback, args, NULL);
    if (PyContext_Exit(context) < 0) {
        Py_CLEAR(answer);
    }
    return answer;
}

/* The loop is told of what was raised, unless that is to end it. */
static PyObject *fail(PyObject *handle) {
    if (PyErr_ExceptionMatches(PyExc_SystemExit) || PyErr_ExceptionMatches(PyExc_KeyboardInterrupt)) {
        return NULL;
    }
    PyObject *error = PyErr_GetRaisedException();
    PyObject *before = PyErr_GetHandledException();
    /* As in the `except` of `_run`: `sys.exception()` of who is told. */
    PyErr_SetHandledException(error);
    PyObject *arguments[] = {handle, error};
    PyObject *answer = PyObject_Vectorcall(tell_of_failure, arguments, 2, NULL);
    PyErr_SetHandledException(before);
    Py_XDECREF(before);
    Py_DECREF(error);
    return answer;
}

/* Whether it has what `call_in` needs: one that was cancelled has not. */
static bool can_be_called(PyObject *handle) {
    PyObject *args = *slot(handle, ARGS), *context = *slot(handle, CONTEXT);
    return *slot(handle, CALLBACK) != NULL && args != NULL && PyTuple_Check(args)
           && context != NULL && PyContext_CheckExact(context);
}

static PyObject *call(PyObject *handle) {
    if (!can_be_called(handle)) {
        return PyObject_CallOneArg(usual_run, handle);
    }
    /* The callback may cancel its own handle. */
    PyObject *callback = Py_NewRef(*slot(handle, CALLBACK));
    PyObject *args = Py_NewRef(*slot(handle, ARGS));
    PyObject *context = Py_NewRef(*slot(handle, CONTEXT));
    PyObject *answer = call_in(context, callback, args);
    answer = answer ? answer : fail(handle);
    Py_DECREF(context);
    Py_DECREF(args);
    Py_DECREF(callback);
    return answer;
}

static PyObject *run(PyObject *handle, PyObject *unused) {
    (void)unused;
    running += 1;
    PyObject *answer = call(handle);
    running -= 1;
    Py_XDECREF(answer);
    return answer ? Py_NewRef(Py_None) : NULL;
}

PyObject *eryx_is_in_callback(PyObject *module, PyObject *unused) {
    (void)module, (void)unused;
    return PyBool_FromLong(running > 0);
}

/* --- In place of CPython's ----------------------------------------------- */

#define REPLACED(name, flags, text) {#name, (PyCFunction)(void (*)(void))name, flags, text}

static PyMethodDef of_loops[] = {
    REPLACED(call_soon, METH_FASTCALL | METH_KEYWORDS, "Have a function called in the next round."),
    REPLACED(create_task, METH_FASTCALL | METH_KEYWORDS, "Have a coroutine run as a task."),
    REPLACED(get_debug, METH_NOARGS, "Whether mistakes are looked for."),
};

static PyMethodDef of_handles[] = {
    {"_run", run, METH_NOARGS, "Call the function."},
};

static bool replace(PyObject *type, PyMethodDef *methods, size_t count) {
    for (size_t i = 0; i < count; i++) {
        PyObject *descriptor = PyDescr_NewMethod((PyTypeObject *)type, &methods[i]);
        bool done = descriptor && PyObject_SetAttrString(type, methods[i].ml_name, descriptor) == 0;
        Py_XDECREF(descriptor);
        if (!done) {
            return false;
        }
    }
    return true;
}

static bool find_slots(void) {
    for (int i = 0; i < SLOTS; i++) {
        PyObject *member = PyObject_GetAttrString((PyObject *)handle_type, slot_names[i]);
        if (member == NULL) {
            return false;
        }
        if (!Py_IS_TYPE(member, &PyMemberDescr_Type)) {
            PyErr_Format(PyExc_TypeError, "%R is no slot", member);
            Py_DECREF(member);
            return false;
        }
        offsets[i] = ((PyMemberDescrObject *)member)->d_member->offset;
        Py_DECREF(member);
    }
    return true;
}

static bool find_names(void) {
    closed_name = PyUnicode_InternFromString("_closed");
    debug_name = PyUnicode_InternFromString("_debug");
    ready_name = PyUnicode_InternFromString("_ready");
    append_name = PyUnicode_InternFromString("append");
    factory_name = PyUnicode_InternFromString("_task_factory");
    task_name = PyUnicode_InternFromString("Task");
    loop_name = PyUnicode_InternFromString("loop");
    return closed_name && debug_name && ready_name && append_name && factory_name && task_name
           && loop_name;
}

static bool find_functions(PyObject *loop) {
    PyObject *module = PyImport_ImportModule("asyncio.tasks");
    tasks = module ? Py_NewRef(PyModule_GetDict(module)) : NULL;
    Py_XDECREF(module);
    usual_call_soon = PyObject_GetAttrString(loop, "call_soon");
    usual_create_task = PyObject_GetAttrString(loop, "create_task");
    usual_run = PyObject_GetAttrString((PyObject *)handle_type, "_run");
    return tasks && usual_call_soon && usual_create_task && usual_run;
}

/* `use_loop(loop, handle, tell_of_failure)`: the two classes, and a function; once. */
PyObject *eryx_use_loop(PyObject *module, PyObject *const *arguments, Py_ssize_t count) {
    (void)module;
    if (count != 3 || !PyType_Check(arguments[0]) || !PyType_Check(arguments[1])) {
        PyErr_SetString(PyExc_TypeError, "use_loop() takes two classes and a function");
        return NULL;
    }
    if (handle_type != NULL) {
        PyErr_SetString(PyExc_RuntimeError, "the loop is known");
        return NULL;
    }
    PyObject *loop = arguments[0], *handle = arguments[1];
    handle_type = (PyTypeObject *)Py_NewRef(handle);
    tell_of_failure = Py_NewRef(arguments[2]);
    if (!find_slots() || !find_names() || !find_functions(loop)
        || !replace(loop, of_loops, Py_ARRAY_LENGTH(of_loops))
        || !replace(handle, of_handles, Py_ARRAY_LENGTH(of_handles))) {
        return NULL;
    }
    Py_RETURN_NONE;
}
