/* The export `execute`: translation between the interface's types and Python's.
   What it means to run a program is said in lib/_eryx_run.py. */
#include "shim.h"

#include "sandbox.h"
#include <stdlib.h>
#include <string.h>

typedef exports_eryx_runtime_execution_program_t program_t;
typedef exports_eryx_runtime_execution_outcome_t outcome_t;
typedef exports_eryx_runtime_execution_frame_t frame_t;
typedef exports_eryx_runtime_execution_exception_t exception_t;

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

/* A list of what `item` makes of each element. */
static PyObject *list_of(const void *elements, size_t count, PyObject *item(const void *, size_t)) {
    PyObject *list = PyList_New((Py_ssize_t)count);
    for (size_t i = 0; list != NULL && i < count; i++) {
        PyObject *object = item(elements, i);
        if (object == NULL) {
            Py_CLEAR(list);
        } else {
            PyList_SET_ITEM(list, (Py_ssize_t)i, object);
        }
    }
    return list;
}

static PyObject *text_item(const void *elements, size_t i) {
    return text(&((const sandbox_string_t *)elements)[i]);
}

static PyObject *variable_item(const void *elements, size_t i) {
    const sandbox_tuple2_string_string_t *pair =
        &((const sandbox_tuple2_string_string_t *)elements)[i];
    return Py_BuildValue("NN", text(&pair->f0), text(&pair->f1));
}

static PyObject *callback_item(const void *elements, size_t i) {
    const exports_eryx_runtime_execution_description_t *callback =
        &((const exports_eryx_runtime_execution_description_t *)elements)[i];
    return Py_BuildValue("NNN", text(&callback->name), text(&callback->description),
                         text(&callback->parameters));
}

/* Calls the guest library: `execute(source, filename, argv, result_variable,
   entropy, started, environment, callbacks, calls_in_flight, extensions,
   stoppable, lasting, trace, result_limit, traceback_limit)`. */
static PyObject *call(const program_t *program) {
    PyObject *arguments[] = {
        text(&program->source),
        text(&program->filename),
        list_of(program->argv.ptr, program->argv.len, text_item),
        program->result_variable.is_some ? text(&program->result_variable.val) : Py_None,
        PyBytes_FromStringAndSize((const char *)program->entropy.ptr,
                                  (Py_ssize_t)program->entropy.len),
        PyLong_FromUnsignedLongLong(program->started),
        list_of(program->environment.ptr, program->environment.len, variable_item),
        list_of(program->callbacks.ptr, program->callbacks.len, callback_item),
        PyLong_FromUnsignedLong(program->calls_in_flight),
        list_of(program->extensions.ptr, program->extensions.len, text_item),
        PyBool_FromLong(program->stoppable),
        PyBool_FromLong(program->lasting),
        PyLong_FromUnsignedLong(program->trace),
        PyLong_FromUnsignedLong(program->result_limit),
        PyLong_FromUnsignedLong(program->traceback_limit),
    };
    const size_t count = sizeof arguments / sizeof arguments[0];
    bool made = true;
    for (size_t i = 0; i < count; i++) {
        made = made && arguments[i] != NULL;
    }
    PyObject *result = made ? PyObject_Vectorcall(eryx_execute, arguments, count, NULL) : NULL;
    for (size_t i = 0; i < count; i++) {
        Py_XDECREF(arguments[i]);
    }
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

static bool copy_notes(PyObject *list, sandbox_list_string_t *out) {
    Py_ssize_t count = PyList_Size(list);
    out->ptr = calloc(count > 0 ? (size_t)count : 1, sizeof(sandbox_string_t));
    if (count < 0 || out->ptr == NULL) {
        return false;
    }
    out->len = (size_t)count;
    for (Py_ssize_t i = 0; i < count; i++) {
        if (!copy_text(PyList_GetItem(list, i), &out->ptr[i])) {
            return false;
        }
    }
    return true;
}

static bool copy_exception(PyObject *details, exception_t *out) {
    unsigned int link;
    PyObject *type, *message, *frames, *notes;
    if (!PyArg_ParseTuple(details, "IUUO!O!", &link, &type, &message, &PyList_Type, &frames,
                          &PyList_Type, &notes)) {
        return false;
    }
    out->link = (uint8_t)(link <= EXPORTS_ERYX_RUNTIME_EXECUTION_LINK_CONTEXT ? link : 0);
    return copy_text(type, &out->type_name) && copy_text(message, &out->message)
           && copy_frames(frames, &out->frames) && copy_notes(notes, &out->notes);
}

static bool copy_raised(PyObject *details, outcome_t *out) {
    out->tag = EXPORTS_ERYX_RUNTIME_EXECUTION_OUTCOME_RAISED;
    PyObject *list, *traceback;
    if (!PyArg_ParseTuple(details, "O!U", &PyList_Type, &list, &traceback)) {
        return false;
    }
    exports_eryx_runtime_execution_list_exception_t *chain = &out->val.raised.chain;
    size_t count = (size_t)PyList_GET_SIZE(list);
    chain->ptr = calloc(count ? count : 1, sizeof(exception_t));
    if (chain->ptr == NULL) {
        return false;
    }
    chain->len = count;
    for (size_t i = 0; i < count; i++) {
        if (!copy_exception(PyList_GET_ITEM(list, (Py_ssize_t)i), &chain->ptr[i])) {
            return false;
        }
    }
    return copy_text(traceback, &out->val.raised.traceback);
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

#define LONGEST_UNFORESEEN 1000

static PyObject *one_exception(PyObject *type, PyObject *message) {
    return Py_BuildValue("([(IOO[][])]N)", EXPORTS_ERYX_RUNTIME_EXECUTION_LINK_UNCAUGHT, type,
                         message, PyUnicode_FromFormat("%U: %U\n", type, message));
}

static PyObject *shortened(PyObject *text) {
    PyObject *start = text ? PyUnicode_Substring(text, 0, LONGEST_UNFORESEEN) : NULL;
    Py_XDECREF(text);
    return start;
}

/* The guest library never raises of itself: a program has broken it, or memory has
   run out. The exception's class and message are told. */
static bool copy_unforeseen(outcome_t *out) {
    PyObject *error = PyErr_GetRaisedException();
    PyObject *type = PyUnicode_FromString(error ? Py_TYPE(error)->tp_name : "SystemError");
    PyObject *message = error ? shortened(PyObject_Str(error)) : NULL;
    if (message == NULL) {
        PyErr_Clear();
        message = PyUnicode_FromString("");
    }
    PyObject *details = type && message ? one_exception(type, message) : NULL;
    bool copied = details != NULL && copy_raised(details, out);
    Py_XDECREF(details);
    Py_XDECREF(message);
    Py_XDECREF(type);
    Py_XDECREF(error);
    return copied;
}

/* The generated function frees only some of a program's parts. */
static void free_program(program_t *program) {
    sandbox_list_string_free(&program->argv);
    sandbox_option_string_free(&program->result_variable);
    sandbox_list_u8_free(&program->entropy);
    sandbox_list_string_free(&program->extensions);
    program->argv = program->extensions = (sandbox_list_string_t){NULL, 0};
    program->result_variable.is_some = false;
    program->entropy = (sandbox_list_u8_t){NULL, 0};
    exports_eryx_runtime_execution_program_free(program);
}

void exports_eryx_runtime_execution_execute(program_t *program, outcome_t *out) {
    eryx_open_reserve(false);
    eryx_limit_arguments(program->argument_limit);
    PyObject *answer = call(program);
    free_program(program);
    bool copied = answer != NULL && copy_outcome(answer, out);
    Py_XDECREF(answer);
    if (!copied) {
        eryx_open_reserve(true);
        copied = copy_unforeseen(out);
    }
    eryx_send_output();
    if (!copied) {
        /* There is nothing left to answer with. */
        abort();
    }
}
