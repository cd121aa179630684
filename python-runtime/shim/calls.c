/* Calls of the host's callbacks, for the built-in module `_eryx`. Those that start
   and take one answer `(code, payload)`; the codes are known to
   lib/_eryx_calls.py. */
#include "shim.h"

#include "sandbox.h"
#include <stdlib.h>

#define Py_BUILD_CORE 1
#include "internal/pycore_long.h"

enum { CODE_VALUE, CODE_PENDING, CODE_FIRST_FAILURE };

/* What the host takes, which would end the program if it were handed much more. */
static size_t argument_limit;

/* Each item of a list counts there, too. */
#define MOST_ITEMS ((size_t)100000)

void eryx_limit_arguments(size_t bytes) {
    argument_limit = bytes;
}

typedef eryx_runtime_callbacks_attachment_t attachment_t;
typedef eryx_runtime_callbacks_failure_t failure_t;
typedef eryx_runtime_callbacks_reply_t reply_t;

/* Of the standard library: what makes JSON of a dict, and values of JSON. */
static PyObject *encoder, *scanner;

PyObject *eryx_use_json(PyObject *module, PyObject *const *arguments, Py_ssize_t count) {
    (void)module;
    if (count != 2) {
        PyErr_SetString(PyExc_TypeError, "use_json() takes an encoder and a scanner");
        return NULL;
    }
    Py_XSETREF(encoder, Py_NewRef(arguments[0]));
    Py_XSETREF(scanner, Py_NewRef(arguments[1]));
    Py_RETURN_NONE;
}

static bool has_text_keys(PyObject *value);

static bool have_text_keys(PyObject *container) {
    if (PyDict_Check(container)) {
        PyObject *key, *value;
        for (Py_ssize_t i = 0; PyDict_Next(container, &i, &key, &value);) {
            if (!PyUnicode_Check(key)) {
                PyErr_Format(PyExc_TypeError,
                             "a dict whose key is no str (but %R) cannot be passed to a callback",
                             key);
                return false;
            }
            if (!has_text_keys(value)) {
                return false;
            }
        }
        return true;
    }
    for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(container); i++) {
        if (!has_text_keys(PySequence_Fast_GET_ITEM(container, i))) {
            return false;
        }
    }
    return true;
}

/* The encoder makes text of other keys: another dict would arrive. */
static bool has_text_keys(PyObject *value) {
    if (!PyDict_Check(value) && !PyList_Check(value) && !PyTuple_Check(value)) {
        return true;
    }
    if (Py_EnterRecursiveCall(" while an argument is looked at")) {
        return false;
    }
    bool all = have_text_keys(value);
    Py_LeaveRecursiveCall();
    return all;
}

/* A dict as JSON text, exactly or not at all. */
static PyObject *encode(PyObject *dict) {
    PyObject *arguments[] = {dict, _PyLong_GetZero()};
    PyObject *parts =
        has_text_keys(dict) ? PyObject_Vectorcall(encoder, arguments, 2, NULL) : NULL;
    if (parts != NULL) {
        PyObject *empty = PyUnicode_FromStringAndSize(NULL, 0);
        PyObject *text = empty ? PyUnicode_Join(empty, parts) : NULL;
        Py_XDECREF(empty);
        Py_DECREF(parts);
        return text;
    }
    /* Not a number, infinite, circular, or nested too deeply. */
    if (PyErr_ExceptionMatches(PyExc_ValueError) || PyErr_ExceptionMatches(PyExc_RecursionError)) {
        PyObject *error = PyErr_GetRaisedException();
        PyErr_Format(PyExc_TypeError, "an argument cannot be passed to a callback: %S", error);
        Py_DECREF(error);
    }
    return NULL;
}

static PyObject *decode(const char *bytes, Py_ssize_t length) {
    PyObject *text = PyUnicode_DecodeUTF8(bytes, length, NULL);
    if (text == NULL) {
        return NULL;
    }
    PyObject *arguments[] = {text, _PyLong_GetZero()};
    PyObject *found = PyObject_Vectorcall(scanner, arguments, 2, NULL);
    Py_DECREF(text);
    /* The value, and where it ends. */
    PyObject *value = found ? PyTuple_GetItem(found, 0) : NULL;
    Py_XINCREF(value);
    Py_XDECREF(found);
    return value;
}

/* `(code, payload)`; takes the payload, which may be NULL. */
static PyObject *answer(int code, PyObject *payload) {
    PyObject *tuple = payload ? PyTuple_New(2) : NULL;
    if (tuple == NULL) {
        Py_XDECREF(payload);
        return NULL;
    }
    /* Codes are so small that there is one object of each, which always is there. */
    PyTuple_SET_ITEM(tuple, 0, PyLong_FromLong(code));
    PyTuple_SET_ITEM(tuple, 1, payload);
    return tuple;
}

static PyObject *answer_reply(reply_t *reply) {
    const char *bytes = (const char *)reply->val.json.ptr;
    Py_ssize_t length = (Py_ssize_t)reply->val.json.len;
    PyObject *value = reply->tag == ERYX_RUNTIME_CALLBACKS_REPLY_JSON
                          ? decode(bytes, length)
                          : PyBytes_FromStringAndSize(bytes, length);
    /* The generated function for replies frees nothing. Both cases are a list. */
    sandbox_list_u8_free(&reply->val.json);
    return answer(CODE_VALUE, value);
}

static PyObject *answer_failure(failure_t *failure) {
    PyObject *answer = Py_BuildValue("is#", CODE_FIRST_FAILURE + (int)failure->kind,
                                     (const char *)failure->message.ptr,
                                     (Py_ssize_t)failure->message.len);
    eryx_runtime_callbacks_failure_free(failure);
    return answer;
}

/* --- Arguments ---------------------------------------------------------- */

static bool is_bytes(PyObject *value) {
    return PyBytes_Check(value) || PyByteArray_Check(value) || PyMemoryView_Check(value);
}

/* The arguments by name: `given` is that already, or a tuple in the order of
   `names`. */
static PyObject *by_name(PyObject *names, PyObject *given) {
    if (PyDict_Check(given)) {
        return Py_NewRef(given);
    }
    if (!PyTuple_Check(given) || PyTuple_GET_SIZE(given) > PyTuple_GET_SIZE(names)) {
        PyErr_SetString(PyExc_TypeError, "a callback's arguments are a tuple or a dict");
        return NULL;
    }
    PyObject *dict = PyDict_New();
    for (Py_ssize_t i = 0; dict != NULL && i < PyTuple_GET_SIZE(given); i++) {
        if (PyDict_SetItem(dict, PyTuple_GET_ITEM(names, i), PyTuple_GET_ITEM(given, i)) < 0) {
            Py_CLEAR(dict);
        }
    }
    return dict;
}

/* Takes what is bytes out of `dict`: a list of `(name, bytes)`, or None. */
static PyObject *take_attachments(PyObject *dict) {
    PyObject *name, *value, *list = NULL;
    for (Py_ssize_t i = 0; PyDict_Next(dict, &i, &name, &value);) {
        if (!is_bytes(value)) {
            continue;
        }
        list = list ? list : PyList_New(0);
        PyObject *bytes = list ? PyBytes_FromObject(value) : NULL;
        PyObject *pair = bytes ? Py_BuildValue("(ON)", name, bytes) : NULL;
        if (pair == NULL || PyList_Append(list, pair) < 0) {
            Py_XDECREF(pair);
            Py_XDECREF(list);
            return NULL;
        }
        Py_DECREF(pair);
    }
    for (Py_ssize_t i = 0; list != NULL && i < PyList_GET_SIZE(list); i++) {
        if (PyDict_DelItem(dict, PyTuple_GET_ITEM(PyList_GET_ITEM(list, i), 0)) < 0) {
            Py_DECREF(list);
            return NULL;
        }
    }
    return list ? list : Py_None;
}

/* Lends the host the names and bytes of such a list. */
static attachment_t *lend(PyObject *list) {
    Py_ssize_t count = PyList_GET_SIZE(list);
    attachment_t *attachments = calloc((size_t)count, sizeof(attachment_t));
    if (attachments == NULL) {
        PyErr_NoMemory();
        return NULL;
    }
    for (Py_ssize_t i = 0; i < count; i++) {
        PyObject *pair = PyList_GET_ITEM(list, i), *bytes = PyTuple_GET_ITEM(pair, 1);
        Py_ssize_t length;
        const char *name = PyUnicode_AsUTF8AndSize(PyTuple_GET_ITEM(pair, 0), &length);
        if (name == NULL) {
            free(attachments);
            return NULL;
        }
        attachments[i].name = (sandbox_string_t){(uint8_t *)name, (size_t)length};
        attachments[i].bytes = (sandbox_list_u8_t){(uint8_t *)PyBytes_AS_STRING(bytes),
                                                   (size_t)PyBytes_GET_SIZE(bytes)};
    }
    return attachments;
}

/* How many bytes the arguments are; no more than the memory has. */
static size_t size_of(const sandbox_list_u8_t *text,
                      const eryx_runtime_callbacks_list_attachment_t *attachments) {
    uint64_t size = text->len;
    for (size_t i = 0; i < attachments->len; i++) {
        size += (uint64_t)attachments->ptr[i].name.len + attachments->ptr[i].bytes.len;
    }
    /* One object can be passed several times. */
    return size > SIZE_MAX ? SIZE_MAX : (size_t)size;
}

/* --- Calls -------------------------------------------------------------- */

static PyObject *answer_too_large(size_t size) {
    PyObject *message = PyUnicode_FromFormat("the arguments have %zu bytes; %zu may be", size,
                                             argument_limit);
    return answer(CODE_FIRST_FAILURE + ERYX_RUNTIME_CALLBACKS_FAILURE_KIND_INVALID_ARGUMENTS,
                  message);
}

static PyObject *start(uint32_t callback, PyObject *text, PyObject *list) {
    Py_ssize_t length;
    const char *json = PyUnicode_AsUTF8AndSize(text, &length);
    attachment_t *attachments = json && list != Py_None ? lend(list) : NULL;
    if (json == NULL || (list != Py_None && attachments == NULL)) {
        return NULL;
    }
    sandbox_list_u8_t lent_text = {(uint8_t *)json, (size_t)length};
    eryx_runtime_callbacks_list_attachment_t lent = {
        attachments, attachments ? (size_t)PyList_GET_SIZE(list) : 0};
    size_t size = size_of(&lent_text, &lent);
    if (size > argument_limit || lent.len > MOST_ITEMS) {
        free(attachments);
        return answer_too_large(size);
    }
    eryx_runtime_callbacks_progress_t progress;
    failure_t failure;
    bool started = eryx_runtime_callbacks_start(callback, &lent_text, &lent, &progress, &failure);
    free(attachments);
    if (!started) {
        return answer_failure(&failure);
    }
    if (progress.tag == ERYX_RUNTIME_CALLBACKS_PROGRESS_PENDING) {
        return answer(CODE_PENDING, eryx_number(progress.val.pending));
    }
    return answer_reply(&progress.val.done);
}

/* `start_call(index, names, arguments)`. */
PyObject *eryx_start_call(PyObject *module, PyObject *const *arguments, Py_ssize_t count) {
    (void)module;
    if (count != 3 || !PyTuple_Check(arguments[1])) {
        PyErr_SetString(PyExc_TypeError, "start_call() takes a number, names and arguments");
        return NULL;
    }
    unsigned long callback = PyLong_AsUnsignedLong(arguments[0]);
    if (callback == (unsigned long)-1 && PyErr_Occurred()) {
        return NULL;
    }
    PyObject *dict = by_name(arguments[1], arguments[2]);
    PyObject *list = dict ? take_attachments(dict) : NULL;
    PyObject *text = list ? encode(dict) : NULL;
    PyObject *answer = text ? start(callback, text, list) : NULL;
    Py_XDECREF(text);
    Py_XDECREF(list);
    Py_XDECREF(dict);
    return answer;
}

PyObject *eryx_take_call(PyObject *module, PyObject *argument) {
    (void)module;
    uint32_t operation;
    if (!eryx_number_of(argument, &operation)) {
        return NULL;
    }
    if (operation == 0) {
        return Py_BuildValue("is", CODE_FIRST_FAILURE + ERYX_RUNTIME_CALLBACKS_FAILURE_KIND_CANCELLED,
                             "the call was under way when the interpreter was copied: its answer "
                             "went to the original");
    }
    reply_t reply;
    failure_t failure;
    if (!eryx_runtime_callbacks_take(operation, &reply, &failure)) {
        return answer_failure(&failure);
    }
    return answer_reply(&reply);
}
