/* Tells the host what the program does. These functions are registered with
   `sys.monitoring`; they answer DISABLE for code that is not the program's, so
   that it costs nothing after the first time. */
#include "shim.h"

#include "sandbox.h"
#include <string.h>

/* Where the library's code says that it comes from. */
static const char *const library[] = {"/usr/lib/python313.zip/", "<frozen "};

static PyObject *disable;

PyObject *eryx_trace_begin(PyObject *module, PyObject *object) {
    (void)module;
    Py_XSETREF(disable, Py_NewRef(object));
    Py_RETURN_NONE;
}

static bool is_library(const char *filename) {
    for (size_t i = 0; i < sizeof(library) / sizeof(*library); i++) {
        if (strncmp(filename, library[i], strlen(library[i])) == 0) {
            return true;
        }
    }
    return false;
}

static bool lend(PyObject *text, sandbox_string_t *out) {
    Py_ssize_t length;
    const char *bytes = PyUnicode_AsUTF8AndSize(text, &length);
    *out = (sandbox_string_t){(uint8_t *)bytes, (size_t)length};
    return bytes != NULL;
}

/* False: it is the library's code. What cannot be told is left out. */
static bool emit(eryx_runtime_tracing_kind_t kind, PyObject *object, int line, const char *detail) {
    PyCodeObject *code = (PyCodeObject *)object;
    sandbox_string_t filename, function;
    if (!lend(code->co_filename, &filename) || !lend(code->co_qualname, &function)) {
        PyErr_Clear();
        return true;
    }
    if (is_library((const char *)filename.ptr)) {
        return false;
    }
    sandbox_string_t text = {(uint8_t *)detail, strlen(detail)};
    eryx_runtime_tracing_emit(kind, &filename, line > 0 ? (uint32_t)line : 0, &function, &text);
    eryx_breaker_waited();
    return true;
}

static PyObject *answer(bool told) {
    return Py_NewRef(told || disable == NULL ? Py_None : disable);
}

static bool is_code(PyObject *const *arguments, Py_ssize_t count) {
    if (count < 2 || !PyCode_Check(arguments[0]) || !PyLong_Check(arguments[1])) {
        PyErr_SetString(PyExc_TypeError, "code and a number are expected");
        return false;
    }
    return true;
}

PyObject *eryx_trace_line(PyObject *module, PyObject *const *arguments, Py_ssize_t count) {
    (void)module;
    if (!is_code(arguments, count)) {
        return NULL;
    }
    int line = (int)PyLong_AsLong(arguments[1]);
    return answer(emit(ERYX_RUNTIME_TRACING_KIND_LINE, arguments[0], line, ""));
}

static PyObject *at_offset(eryx_runtime_tracing_kind_t kind, PyObject *const *arguments,
                           Py_ssize_t count, const char *detail) {
    if (!is_code(arguments, count)) {
        return NULL;
    }
    int offset = (int)PyLong_AsLong(arguments[1]);
    int line = PyCode_Addr2Line((PyCodeObject *)arguments[0], offset);
    return answer(emit(kind, arguments[0], line, detail));
}

PyObject *eryx_trace_call(PyObject *module, PyObject *const *arguments, Py_ssize_t count) {
    (void)module;
    return at_offset(ERYX_RUNTIME_TRACING_KIND_CALL, arguments, count, "");
}

PyObject *eryx_trace_return(PyObject *module, PyObject *const *arguments, Py_ssize_t count) {
    (void)module;
    return at_offset(ERYX_RUNTIME_TRACING_KIND_RETURN, arguments, count, "");
}

PyObject *eryx_trace_suspend(PyObject *module, PyObject *const *arguments, Py_ssize_t count) {
    (void)module;
    return at_offset(ERYX_RUNTIME_TRACING_KIND_SUSPEND, arguments, count, "");
}

PyObject *eryx_trace_resume(PyObject *module, PyObject *const *arguments, Py_ssize_t count) {
    (void)module;
    return at_offset(ERYX_RUNTIME_TRACING_KIND_RESUME, arguments, count, "");
}

/* Events of exceptions cannot be disabled: the answer is always None. */
static PyObject *with_exception(eryx_runtime_tracing_kind_t kind, PyObject *const *arguments,
                                Py_ssize_t count) {
    const char *type = count > 2 ? Py_TYPE(arguments[2])->tp_name : "";
    PyObject *told = at_offset(kind, arguments, count, type);
    if (told == NULL) {
        return NULL;
    }
    Py_DECREF(told);
    Py_RETURN_NONE;
}

PyObject *eryx_trace_exception(PyObject *module, PyObject *const *arguments, Py_ssize_t count) {
    (void)module;
    return with_exception(ERYX_RUNTIME_TRACING_KIND_EXCEPTION, arguments, count);
}

/* A function that is left by an exception has returned. */
PyObject *eryx_trace_unwind(PyObject *module, PyObject *const *arguments, Py_ssize_t count) {
    (void)module;
    return with_exception(ERYX_RUNTIME_TRACING_KIND_RETURN, arguments, count);
}

/* A generator or coroutine into which an exception is thrown goes on. */
PyObject *eryx_trace_throw(PyObject *module, PyObject *const *arguments, Py_ssize_t count) {
    (void)module;
    return with_exception(ERYX_RUNTIME_TRACING_KIND_RESUME, arguments, count);
}
