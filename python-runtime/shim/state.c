/* The export `state`: translation for lib/_eryx_state.py. */
#include "shim.h"

#include "sandbox.h"
#include <stdlib.h>
#include <string.h>

typedef exports_eryx_runtime_state_saved_t saved_t;
typedef exports_eryx_runtime_state_refusal_t refusal_t;
typedef exports_eryx_runtime_state_list_omission_t omissions_t;

static bool copy_text(PyObject *object, sandbox_string_t *out) {
    Py_ssize_t length;
    const char *bytes = PyUnicode_AsUTF8AndSize(object, &length);
    if (bytes == NULL) {
        return false;
    }
    out->len = (size_t)length;
    out->ptr = malloc(out->len ? out->len : 1);
    if (out->ptr == NULL) {
        return false;
    }
    memcpy(out->ptr, bytes, out->len);
    return true;
}

static bool copy_omissions(PyObject *list, omissions_t *out) {
    size_t count = (size_t)PyList_GET_SIZE(list);
    out->ptr = calloc(count ? count : 1, sizeof(*out->ptr));
    if (out->ptr == NULL) {
        return false;
    }
    out->len = count;
    for (size_t i = 0; i < count; i++) {
        PyObject *name, *type, *reason;
        if (!PyArg_ParseTuple(PyList_GET_ITEM(list, (Py_ssize_t)i), "UUU", &name, &type, &reason)
            || !copy_text(name, &out->ptr[i].name) || !copy_text(type, &out->ptr[i].type_name)
            || !copy_text(reason, &out->ptr[i].reason)) {
            return false;
        }
    }
    return true;
}

/* The library answers `(kind, ...)`; one that was tampered with ends here. */
static bool copy_refusal(PyObject *answer, refusal_t *out) {
    const char *kind;
    PyObject *details;
    if (!PyArg_ParseTuple(answer, "sO", &kind, &details)) {
        return false;
    }
    switch (kind[0]) {
    case 'l':
        out->tag = EXPORTS_ERYX_RUNTIME_STATE_REFUSAL_TOO_LARGE;
        out->val.too_large = PyLong_AsUnsignedLongLong(details);
        return !PyErr_Occurred();
    case 'u':
        out->tag = EXPORTS_ERYX_RUNTIME_STATE_REFUSAL_UNUSABLE;
        return copy_text(details, &out->val.unusable);
    default:
        out->tag = EXPORTS_ERYX_RUNTIME_STATE_REFUSAL_UNSAVEABLE;
        return PyList_Check(details) && copy_omissions(details, &out->val.unsaveable);
    }
}

static bool copy_saved(PyObject *answer, saved_t *out) {
    const char *kind, *bytes;
    Py_ssize_t length;
    PyObject *list;
    if (!PyArg_ParseTuple(answer, "sy#O!", &kind, &bytes, &length, &PyList_Type, &list)) {
        return false;
    }
    out->bytes.len = (size_t)length;
    out->bytes.ptr = malloc(length > 0 ? (size_t)length : 1);
    if (out->bytes.ptr == NULL) {
        return false;
    }
    memcpy(out->bytes.ptr, bytes, (size_t)length);
    return copy_omissions(list, &out->omitted);
}

static PyObject *call(const char *name, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    PyObject *module = PyImport_ImportModule("_eryx_state");
    PyObject *function = module ? PyObject_GetAttrString(module, name) : NULL;
    PyObject *tuple = function ? Py_VaBuildValue(format, arguments) : NULL;
    PyObject *answer = tuple ? PyObject_Call(function, tuple, NULL) : NULL;
    va_end(arguments);
    Py_XDECREF(module);
    Py_XDECREF(function);
    Py_XDECREF(tuple);
    return answer;
}

static void check(bool copied) {
    if (!copied) {
        PyErr_Print();
        abort();
    }
}

bool exports_eryx_runtime_state_save(uint64_t limit, bool partly, bool open_files, saved_t *saved,
                                     refusal_t *refusal) {
    PyObject *answer =
        call("save", "(Kii)", (unsigned long long)limit, (int)partly, (int)open_files);
    bool is_saved = answer != NULL && PyTuple_Check(answer) && PyTuple_GET_SIZE(answer) == 3;
    check(answer != NULL && (is_saved ? copy_saved(answer, saved) : copy_refusal(answer, refusal)));
    Py_DECREF(answer);
    return is_saved;
}

bool exports_eryx_runtime_state_restore(sandbox_list_u8_t *bytes, refusal_t *refusal) {
    PyObject *answer = call("restore", "(y#)", (const char *)bytes->ptr, (Py_ssize_t)bytes->len);
    sandbox_list_u8_free(bytes);
    bool restored = answer == Py_None;
    check(restored || (answer != NULL && copy_refusal(answer, refusal)));
    Py_DECREF(answer);
    return restored;
}

void exports_eryx_runtime_state_clear(void) {
    PyObject *answer = call("clear", "()");
    check(answer != NULL);
    Py_DECREF(answer);
}
