/* TLS sessions, for the built-in module `_eryx_net`. Translation only; what a
   context is, is said in lib/_ssl.py. */
#include "net.h"

#include <stdlib.h>

typedef eryx_net_types_failure_t failure_t;

/* Lends the host the bytes of a list of `bytes`. */
static bool lend(PyObject *list, sandbox_list_list_u8_t *out) {
    Py_ssize_t count = PyList_GET_SIZE(list);
    out->len = (size_t)count;
    out->ptr = calloc(count > 0 ? (size_t)count : 1, sizeof *out->ptr);
    if (out->ptr == NULL) {
        PyErr_NoMemory();
        return false;
    }
    for (Py_ssize_t i = 0; i < count; i++) {
        char *bytes;
        Py_ssize_t length;
        if (PyBytes_AsStringAndSize(PyList_GET_ITEM(list, i), &bytes, &length) < 0) {
            free(out->ptr);
            return false;
        }
        out->ptr[i] = (sandbox_list_u8_t){(uint8_t *)bytes, (size_t)length};
    }
    return true;
}

/* `(connection or None, server name or None, protocols, oldest, newest, verify)` */
static PyObject *tls_open(PyObject *module, PyObject *arguments) {
    (void)module;
    PyObject *connection, *protocols;
    const char *name;
    Py_ssize_t name_length;
    unsigned char oldest, newest;
    int verify;
    if (!PyArg_ParseTuple(arguments, "Oz#O!bbp", &connection, &name, &name_length, &PyList_Type,
                          &protocols, &oldest, &newest, &verify)) {
        return NULL;
    }
    uint32_t below = 0;
    if (connection != Py_None && !eryx_number_of(connection, &below)) {
        return NULL;
    }
    eryx_net_tls_options_t options = {
        .server_name = {name != NULL, {(uint8_t *)name, (size_t)name_length}},
        .oldest = oldest ? ERYX_NET_TLS_VERSION_TLS13 : ERYX_NET_TLS_VERSION_TLS12,
        .newest = newest ? ERYX_NET_TLS_VERSION_TLS13 : ERYX_NET_TLS_VERSION_TLS12,
        .verify = verify,
    };
    if (!lend(protocols, &options.protocols)) {
        return NULL;
    }
    uint32_t session;
    failure_t failure;
    bool opened = connection == Py_None ? eryx_net_tls_open(&options, &session, &failure)
                                        : eryx_net_tls_open_on(below, &options, &session, &failure);
    free(options.protocols.ptr);
    return opened ? eryx_number(session) : eryx_net_raise(&failure);
}

typedef bool plain_t(uint32_t, failure_t *);

/* Calls what has no answer but a failure. */
static PyObject *plainly(plain_t *function, PyObject *argument) {
    uint32_t session;
    failure_t failure;
    if (!eryx_number_of(argument, &session)) {
        return NULL;
    }
    if (!function(session, &failure)) {
        return eryx_net_raise(&failure);
    }
    Py_RETURN_NONE;
}

static PyObject *tls_handshake(PyObject *module, PyObject *argument) {
    (void)module;
    return plainly(eryx_net_tls_handshake, argument);
}

static PyObject *tls_shut_down(PyObject *module, PyObject *argument) {
    (void)module;
    return plainly(eryx_net_tls_shut_down, argument);
}

static PyObject *tls_feed_end(PyObject *module, PyObject *argument) {
    (void)module;
    return plainly(eryx_net_tls_feed_end, argument);
}

typedef bool take_t(uint32_t, uint32_t, sandbox_list_u8_t *, failure_t *);

static PyObject *take(take_t *function, PyObject *arguments) {
    uint32_t session;
    unsigned int limit;
    sandbox_list_u8_t bytes;
    failure_t failure;
    if (!PyArg_ParseTuple(arguments, "O&I", eryx_number_converter, &session, &limit)) {
        return NULL;
    }
    if (!function(session, limit, &bytes, &failure)) {
        return eryx_net_raise(&failure);
    }
    return eryx_net_bytes(&bytes);
}

static PyObject *tls_receive(PyObject *module, PyObject *arguments) {
    (void)module;
    return take(eryx_net_tls_receive, arguments);
}

static PyObject *tls_drain(PyObject *module, PyObject *arguments) {
    (void)module;
    return take(eryx_net_tls_drain, arguments);
}

typedef bool give_t(uint32_t, sandbox_list_u8_t *, uint32_t *, failure_t *);

static PyObject *give(give_t *function, PyObject *arguments) {
    uint32_t session;
    Py_buffer buffer;
    if (!PyArg_ParseTuple(arguments, "O&y*", eryx_number_converter, &session, &buffer)) {
        return NULL;
    }
    sandbox_list_u8_t bytes = eryx_net_front(&buffer);
    uint32_t taken;
    failure_t failure;
    bool done = function(session, &bytes, &taken, &failure);
    PyBuffer_Release(&buffer);
    return done ? PyLong_FromUnsignedLong(taken) : eryx_net_raise(&failure);
}

static PyObject *tls_send(PyObject *module, PyObject *arguments) {
    (void)module;
    return give(eryx_net_tls_send, arguments);
}

static PyObject *tls_feed(PyObject *module, PyObject *arguments) {
    (void)module;
    return give(eryx_net_tls_feed, arguments);
}

static PyObject *tls_pending(PyObject *module, PyObject *argument) {
    (void)module;
    uint32_t session, count;
    failure_t failure;
    if (!eryx_number_of(argument, &session)) {
        return NULL;
    }
    if (!eryx_net_tls_pending(session, &count, &failure)) {
        return eryx_net_raise(&failure);
    }
    return PyLong_FromUnsignedLong(count);
}

/* `(version, cipher, protocol or None, resumed)` */
static PyObject *tls_agreed(PyObject *module, PyObject *argument) {
    (void)module;
    uint32_t session;
    eryx_net_tls_agreement_t agreed;
    failure_t failure;
    if (!eryx_number_of(argument, &session)) {
        return NULL;
    }
    if (!eryx_net_tls_agreed(session, &agreed, &failure)) {
        return eryx_net_raise(&failure);
    }
    const char *protocol = agreed.protocol.is_some ? (const char *)agreed.protocol.val.ptr : NULL;
    PyObject *answer =
        Py_BuildValue("is#y#N", (int)agreed.version, (const char *)agreed.cipher.ptr,
                      (Py_ssize_t)agreed.cipher.len, protocol,
                      protocol ? (Py_ssize_t)agreed.protocol.val.len : 0,
                      PyBool_FromLong(agreed.resumed));
    eryx_net_tls_agreement_free(&agreed);
    return answer;
}

static PyObject *tls_certificates(PyObject *module, PyObject *argument) {
    (void)module;
    uint32_t session;
    sandbox_list_list_u8_t found;
    failure_t failure;
    if (!eryx_number_of(argument, &session)) {
        return NULL;
    }
    if (!eryx_net_tls_certificates(session, &found, &failure)) {
        return eryx_net_raise(&failure);
    }
    PyObject *list = PyList_New((Py_ssize_t)found.len);
    for (size_t i = 0; list != NULL && i < found.len; i++) {
        PyObject *bytes = PyBytes_FromStringAndSize((const char *)found.ptr[i].ptr,
                                                    (Py_ssize_t)found.ptr[i].len);
        if (bytes == NULL) {
            Py_CLEAR(list);
        } else {
            PyList_SET_ITEM(list, (Py_ssize_t)i, bytes);
        }
    }
    sandbox_list_list_u8_free(&found);
    return list;
}

static PyObject *tls_close(PyObject *module, PyObject *argument) {
    (void)module;
    uint32_t session;
    if (!eryx_number_of(argument, &session)) {
        return NULL;
    }
    eryx_net_tls_close(session);
    Py_RETURN_NONE;
}

PyMethodDef eryx_tls_methods[] = {
    {"tls_open", tls_open, METH_VARARGS, NULL},
    {"tls_handshake", tls_handshake, METH_O, NULL},
    {"tls_receive", tls_receive, METH_VARARGS, NULL},
    {"tls_send", tls_send, METH_VARARGS, NULL},
    {"tls_pending", tls_pending, METH_O, NULL},
    {"tls_shut_down", tls_shut_down, METH_O, NULL},
    {"tls_agreed", tls_agreed, METH_O, NULL},
    {"tls_certificates", tls_certificates, METH_O, NULL},
    {"tls_feed", tls_feed, METH_VARARGS, NULL},
    {"tls_feed_end", tls_feed_end, METH_O, NULL},
    {"tls_drain", tls_drain, METH_VARARGS, NULL},
    {"tls_close", tls_close, METH_O, NULL},
    {NULL, NULL, 0, NULL},
};
