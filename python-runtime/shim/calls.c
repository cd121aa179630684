/* Calls of the host's callbacks, for the built-in module `_eryx`. Both functions
   answer `(code, payload)`; the codes are known to lib/_eryx_calls.py. */
#include "shim.h"

#include "sandbox.h"
#include <stdlib.h>

enum { CODE_JSON, CODE_BYTES, CODE_PENDING, CODE_FIRST_FAILURE };

typedef eryx_runtime_callbacks_attachment_t attachment_t;
typedef eryx_runtime_callbacks_failure_t failure_t;
typedef eryx_runtime_callbacks_reply_t reply_t;

static PyObject *answer_reply(reply_t *reply) {
    PyObject *answer;
    const char *bytes = (const char *)reply->val.json.ptr;
    Py_ssize_t length = (Py_ssize_t)reply->val.json.len;
    if (reply->tag == ERYX_RUNTIME_CALLBACKS_REPLY_JSON) {
        PyObject *text = PyUnicode_DecodeUTF8(bytes, length, NULL);
        answer = text ? Py_BuildValue("iN", CODE_JSON, text) : NULL;
    } else {
        answer = Py_BuildValue("iy#", CODE_BYTES, bytes, length);
    }
    /* The generated function for replies frees nothing. Both cases are a list. */
    sandbox_list_u8_free(&reply->val.json);
    return answer;
}

static PyObject *answer_failure(failure_t *failure) {
    PyObject *answer = Py_BuildValue("is#", CODE_FIRST_FAILURE + (int)failure->kind,
                                     (const char *)failure->message.ptr,
                                     (Py_ssize_t)failure->message.len);
    eryx_runtime_callbacks_failure_free(failure);
    return answer;
}

/* Lends the host the names and bytes of a list of `(name, bytes)`. */
static attachment_t *lend(PyObject *list) {
    Py_ssize_t count = PyList_GET_SIZE(list);
    attachment_t *attachments = calloc(count > 0 ? (size_t)count : 1, sizeof(attachment_t));
    if (attachments == NULL) {
        PyErr_NoMemory();
        return NULL;
    }
    for (Py_ssize_t i = 0; i < count; i++) {
        const char *name, *bytes;
        Py_ssize_t name_length, length;
        if (!PyArg_ParseTuple(PyList_GET_ITEM(list, i), "s#y#", &name, &name_length, &bytes,
                              &length)) {
            free(attachments);
            return NULL;
        }
        attachments[i].name = (sandbox_string_t){(uint8_t *)name, (size_t)name_length};
        attachments[i].bytes = (sandbox_list_u8_t){(uint8_t *)bytes, (size_t)length};
    }
    return attachments;
}

PyObject *eryx_start_call(PyObject *module, PyObject *arguments) {
    (void)module;
    unsigned int callback;
    const char *json;
    Py_ssize_t length;
    PyObject *list;
    if (!PyArg_ParseTuple(arguments, "Is#O!", &callback, &json, &length, &PyList_Type, &list)) {
        return NULL;
    }
    attachment_t *attachments = lend(list);
    if (attachments == NULL) {
        return NULL;
    }
    sandbox_list_u8_t text = {(uint8_t *)json, (size_t)length};
    eryx_runtime_callbacks_list_attachment_t lent = {attachments, (size_t)PyList_GET_SIZE(list)};
    eryx_runtime_callbacks_progress_t progress;
    failure_t failure;
    bool started = eryx_runtime_callbacks_start(callback, &text, &lent, &progress, &failure);
    free(attachments);
    if (!started) {
        return answer_failure(&failure);
    }
    if (progress.tag == ERYX_RUNTIME_CALLBACKS_PROGRESS_PENDING) {
        return Py_BuildValue("iN", CODE_PENDING, eryx_number(progress.val.pending));
    }
    return answer_reply(&progress.val.done);
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
