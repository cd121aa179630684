/* The export `execute`: translation between the interface's types and Python's.
   What it means to run a program is said in lib/_eryx_run.py. */
#include "shim.h"

#include "sandbox.h"
#include <stdlib.h>
#include <string.h>

typedef exports_eryx_runtime_execution_program_t program_t;
typedef exports_eryx_runtime_execution_outcome_t outcome_t;
typedef exports_eryx_runtime_execution_frame_t frame_t;

static PyObject *text(const sandbox_string_t *string) {
    return PyUnicode_DecodeUTF8((const char *)string->ptr, (Py_ssize_t)string->len, NULL);
}

/* Copies a `str` into memory that the post-return function frees. Lone
   surrogates cannot leave as UTF-8: the guest library has replaced them. */
static bool copy_text(PyObject *object, sandbox_string_t *out) {
    Py_ssize_t length;
    const char *bytes = PyUnicode_AsUTF8AndSize(object, &length);
    if (bytes == NULL) {
        return false;
    }
    out->len = (size_t)length;
    out->ptr = malloc(out->len ? out->len : 1);
    if (out->ptr == NULL) {
        PyErr_NoMemory();
        return false;
    }
    memcpy(out->ptr, bytes, out->len);
    return true;
}

static PyObject *arguments(const program_t *program) {
    PyObject *list = PyList_New((Py_ssize_t)program->argv.len);
    for (size_t i = 0; list != NULL && i < program->argv.len; i++) {
        PyObject *item = text(&program->argv.ptr[i]);
        if (item == NULL) {
            Py_CLEAR(list);
        } else {
            PyList_SET_ITEM(list, (Py_ssize_t)i, item);
        }
    }
    return list;
}

/* Calls the guest library: `execute(source, filename, argv, result_variable,
   entropy, started, result_limit, traceback_limit)`. */
static PyObject *call(const program_t *program) {
    PyObject *source = text(&program->source);
    PyObject *filename = source ? text(&program->filename) : NULL;
    PyObject *argv = filename ? arguments(program) : NULL;
    PyObject *variable = NULL;
    if (argv != NULL) {
        variable = program->result_variable.is_some ? text(&program->result_variable.val)
                                                    : Py_NewRef(Py_None);
    }
    PyObject *result = NULL;
    if (variable != NULL) {
        result = PyObject_CallFunction(eryx_execute, "OOOOy#Kkk", source, filename, argv, variable,
                                       (const char *)program->entropy.ptr,
                                       (Py_ssize_t)program->entropy.len,
                                       (unsigned long long)program->started,
                                       (unsigned long)program->result_limit,
                                       (unsigned long)program->traceback_limit);
    }
    Py_XDECREF(source);
    Py_XDECREF(filename);
    Py_XDECREF(argv);
    Py_XDECREF(variable);
    return result;
}

static bool copy_frames(PyObject *list, exports_eryx_runtime_execution_list_frame_t *out) {
    Py_ssize_t count = PyList_Size(list);
    out->ptr = calloc(count > 0 ? (size_t)count : 1, sizeof(frame_t));
    if (count < 0 || out->ptr == NULL) {
        return false;
    }
    out->len = (size_t)count;
    for (Py_ssize_t i = 0; i < count; i++) {
        PyObject *filename, *function, *source;
        unsigned int line;
        frame_t *frame = &out->ptr[i];
        if (!PyArg_ParseTuple(PyList_GetItem(list, i), "UIUU", &filename, &line, &function,
                              &source)
            || !copy_text(filename, &frame->filename) || !copy_text(function, &frame->function)
            || !copy_text(source, &frame->source)) {
            return false;
        }
        frame->line = line;
    }
    return true;
}

static bool copy_finished(PyObject *details, outcome_t *out) {
    out->tag = EXPORTS_ERYX_RUNTIME_EXECUTION_OUTCOME_FINISHED;
    exports_eryx_runtime_execution_option_value_t *value = &out->val.finished;
    value->is_some = details != Py_None;
    if (!value->is_some) {
        return true;
    }
    int json, truncated;
    PyObject *string;
    if (!PyArg_ParseTuple(details, "pUp", &json, &string, &truncated)) {
        return false;
    }
    value->val.json = json;
    value->val.truncated = truncated;
    return copy_text(string, &value->val.text);
}

static bool copy_raised(PyObject *details, outcome_t *out) {
    out->tag = EXPORTS_ERYX_RUNTIME_EXECUTION_OUTCOME_RAISED;
    exports_eryx_runtime_execution_exception_t *raised = &out->val.raised;
    PyObject *type, *message, *frames, *traceback;
    return PyArg_ParseTuple(details, "UUO!U", &type, &message, &PyList_Type, &frames, &traceback)
           && copy_text(type, &raised->type_name) && copy_text(message, &raised->message)
           && copy_frames(frames, &raised->frames) && copy_text(traceback, &raised->traceback);
}

static bool copy_exited(PyObject *details, outcome_t *out) {
    out->tag = EXPORTS_ERYX_RUNTIME_EXECUTION_OUTCOME_EXITED;
    out->val.exited = (int32_t)PyLong_AsLong(details);
    return !PyErr_Occurred();
}

/* The guest library answers `(kind, details)`. */
static bool copy_outcome(PyObject *answer, outcome_t *out) {
    const char *kind;
    PyObject *details;
    if (!PyArg_ParseTuple(answer, "sO", &kind, &details)) {
        return false;
    }
    switch (kind[0]) {
    case 'f':
        return copy_finished(details, out);
    case 'r':
        return copy_raised(details, out);
    default:
        return copy_exited(details, out);
    }
}

void exports_eryx_runtime_execution_execute(program_t *program, outcome_t *out) {
    PyObject *answer = call(program);
    exports_eryx_runtime_execution_program_free(program);
    bool copied = answer != NULL && copy_outcome(answer, out);
    Py_XDECREF(answer);
    if (!copied) {
        /* The guest library never raises of itself: a program has broken it, or
           memory has run out. There is nothing left to answer with. */
        PyErr_Print();
        abort();
    }
}
