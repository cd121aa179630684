/* The export `state`: translation for lib/_eryx_state.py. Whatever goes wrong in it, an
   answer says so: a session must not be lost over a snapshot. */
#include "shim.h"

#include "sandbox.h"
#include <stdlib.h>
#include <string.h>

typedef exports_eryx_runtime_state_saved_t saved_t;
typedef exports_eryx_runtime_state_refusal_t refusal_t;
typedef exports_eryx_runtime_state_omission_t omission_t;
typedef exports_eryx_runtime_state_list_omission_t omissions_t;

/* What is freed by nobody: the generated functions free no text without a length. */
static const sandbox_string_t no_text;

static bool copy_bytes(const char *bytes, Py_ssize_t length, uint8_t **out, size_t *out_length) {
    *out = malloc(length > 0 ? (size_t)length : 1);
    if (*out == NULL) {
        PyErr_NoMemory();
        return false;
    }
    memcpy(*out, bytes, (size_t)length);
    *out_length = (size_t)length;
    return true;
}

static bool copy_text(PyObject *object, sandbox_string_t *out) {
    Py_ssize_t length;
    const char *bytes = PyUnicode_AsUTF8AndSize(object, &length);
    *out = no_text;
    return bytes != NULL && copy_bytes(bytes, length, &out->ptr, &out->len);
}

static void free_omissions(omissions_t *list) {
    for (size_t i = 0; i < list->len; i++) {
        omission_t *one = &list->ptr[i];
        free(one->name.ptr);
        free(one->type_name.ptr);
        free(one->reason.ptr);
    }
    free(list->ptr);
    *list = (omissions_t){NULL, 0};
}

static bool copy_omission(PyObject *tuple, omission_t *out) {
    PyObject *name, *type, *reason;
    return PyArg_ParseTuple(tuple, "UUU", &name, &type, &reason) && copy_text(name, &out->name)
           && copy_text(type, &out->type_name) && copy_text(reason, &out->reason);
}

static bool copy_omissions(PyObject *list, omissions_t *out) {
    size_t count = (size_t)PyList_GET_SIZE(list);
    *out = (omissions_t){calloc(count ? count : 1, sizeof(omission_t)), count};
    if (out->ptr == NULL) {
        out->len = 0;
        PyErr_NoMemory();
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        if (!copy_omission(PyList_GET_ITEM(list, (Py_ssize_t)i), &out->ptr[i])) {
            free_omissions(out);
            return false;
        }
    }
    return true;
}

/* --- What is answered --------------------------------------------------- */

static bool copy_number(PyObject *number, uint8_t tag, refusal_t *out) {
    out->tag = tag;
    out->val.too_large = PyLong_AsUnsignedLongLong(number);
    return !PyErr_Occurred();
}

/* The library answers `(kind, details)`. */
static bool copy_refusal(PyObject *answer, refusal_t *out) {
    const char *kind;
    PyObject *details;
    if (!PyArg_ParseTuple(answer, "sO", &kind, &details)) {
        return false;
    }
    switch (kind[0]) {
    case 'l':
        return copy_number(details, EXPORTS_ERYX_RUNTIME_STATE_REFUSAL_TOO_LARGE, out);
    case 'm':
        return copy_number(details, EXPORTS_ERYX_RUNTIME_STATE_REFUSAL_NO_MEMORY, out);
    case 's':
        out->tag = EXPORTS_ERYX_RUNTIME_STATE_REFUSAL_STOPPED;
        return true;
    case 'u':
        out->tag = EXPORTS_ERYX_RUNTIME_STATE_REFUSAL_UNUSABLE;
        return PyUnicode_Check(details) && copy_text(details, &out->val.unusable);
    default:
        out->tag = EXPORTS_ERYX_RUNTIME_STATE_REFUSAL_UNSAVEABLE;
        return PyList_Check(details) && copy_omissions(details, &out->val.unsaveable);
    }
}

static bool copy_saved(PyObject *answer, saved_t *out) {
    const char *kind, *bytes;
    Py_ssize_t length;
    PyObject *list;
    if (!PyArg_ParseTuple(answer, "sy#O!", &kind, &bytes, &length, &PyList_Type, &list)
        || !copy_omissions(list, &out->omitted)) {
        return false;
    }
    if (!copy_bytes(bytes, length, &out->bytes.ptr, &out->bytes.len)) {
        free_omissions(&out->omitted);
        return false;
    }
    return true;
}

static PyObject *told(PyObject *error) {
    PyObject *text = PyUnicode_FromFormat("%s: %S", Py_TYPE(error)->tp_name, error);
    if (text == NULL) {
        PyErr_Clear();
        text = PyUnicode_FromString(Py_TYPE(error)->tp_name);
    }
    return text;
}

/* The library never raises of itself: a program has broken it, or memory has run out. */
static void refuse_unforeseen(bool saving, uint64_t size, refusal_t *out) {
    PyObject *error = PyErr_GetRaisedException();
    PyObject *answer = NULL, *text = NULL;
    if (error != NULL && !PyErr_GivenExceptionMatches(error, PyExc_MemoryError)) {
        text = told(error);
    }
    if (text != NULL) {
        answer = saving ? Py_BuildValue("(s[(ssO)])", "cannot", "__main__", "module", text)
                        : Py_BuildValue("(sO)", "unusable", text);
    }
    if (answer == NULL || !copy_refusal(answer, out)) {
        out->tag = EXPORTS_ERYX_RUNTIME_STATE_REFUSAL_NO_MEMORY;
        out->val.no_memory = size;
    }
    PyErr_Clear();
    Py_XDECREF(answer);
    Py_XDECREF(text);
    Py_XDECREF(error);
}

static PyObject *call(const char *name, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    eryx_open_reserve(false);
    PyObject *module = PyImport_ImportModule("_eryx_state");
    PyObject *function = module ? PyObject_GetAttrString(module, name) : NULL;
    PyObject *tuple = function ? Py_VaBuildValue(format, arguments) : NULL;
    eryx_breaker_watch(true);
    PyObject *answer = tuple ? PyObject_Call(function, tuple, NULL) : NULL;
    va_end(arguments);
    Py_XDECREF(module);
    Py_XDECREF(function);
    Py_XDECREF(tuple);
    /* Who was asked to end as it was through is not asked in the next run. */
    if (answer != NULL && PyErr_CheckSignals() < 0) {
        PyErr_Clear();
    }
    /* What was printed belongs to no run. */
    eryx_send_output();
    return answer;
}

/* --- The exports -------------------------------------------------------- */

bool exports_eryx_runtime_state_save(uint64_t limit, bool partly, bool open_files, saved_t *saved,
                                     refusal_t *refusal) {
    PyObject *answer =
        call("save", "(Kii)", (unsigned long long)limit, (int)partly, (int)open_files);
    bool is_saved = answer != NULL && PyTuple_Check(answer) && PyTuple_GET_SIZE(answer) == 3;
    bool copied = answer != NULL
                  && (is_saved ? copy_saved(answer, saved) : copy_refusal(answer, refusal));
    if (!copied) {
        PyObject *bytes = is_saved ? PyTuple_GET_ITEM(answer, 1) : NULL;
        uint64_t size = bytes && PyBytes_Check(bytes) ? (uint64_t)PyBytes_GET_SIZE(bytes) : 0;
        eryx_open_reserve(true);
        refuse_unforeseen(true, size, refusal);
    }
    Py_XDECREF(answer);
    return copied && is_saved;
}

bool exports_eryx_runtime_state_has_room(uint64_t bytes) {
    eryx_open_reserve(false);
    /* Volatile, or the compiler takes it for granted. */
    void *volatile room = bytes < SIZE_MAX ? malloc((size_t)bytes) : NULL;
    bool has_room = room != NULL;
    free(room);
    return has_room;
}

/* The bytes, to be read in place. Who still looks at them when they have been read
   keeps them. */
bool exports_eryx_runtime_state_restore(sandbox_list_u8_t *bytes, refusal_t *refusal) {
    uint64_t size = bytes->len;
    PyObject *view =
        PyMemoryView_FromMemory((char *)bytes->ptr, (Py_ssize_t)bytes->len, PyBUF_READ);
    PyObject *answer = view ? call("restore", "(O)", view) : NULL;
    bool restored = answer == Py_None;
    if (!restored && (answer == NULL || !copy_refusal(answer, refusal))) {
        eryx_open_reserve(true);
        refuse_unforeseen(false, size, refusal);
    }
    Py_XDECREF(answer);
    PyObject *released = view ? PyObject_CallMethod(view, "release", NULL) : Py_None;
    if (released != NULL) {
        sandbox_list_u8_free(bytes);
    }
    PyErr_Clear();
    Py_XDECREF(view);
    return restored;
}

void exports_eryx_runtime_state_clear(void) {
    PyObject *answer = call("clear", "()");
    if (answer == NULL) {
        /* The library is broken: what is left can still be said to be no state. */
        PyErr_Print();
        eryx_send_output();
        abort();
    }
    Py_DECREF(answer);
}
