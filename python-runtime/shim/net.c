/* The built-in module `_eryx_net`: names and TCP connections. Translation only;
   what a socket is, is said in lib/_socket.py. */
#include "net.h"

#include "shim.h"

static PyObject *failure_class;

PyObject *eryx_net_raise(eryx_net_types_failure_t *failure) {
    PyObject *arguments = Py_BuildValue("is#", (int)failure->code,
                                        (const char *)failure->message.ptr,
                                        (Py_ssize_t)failure->message.len);
    eryx_net_types_failure_free(failure);
    if (arguments != NULL) {
        PyErr_SetObject(failure_class, arguments);
        Py_DECREF(arguments);
    }
    return NULL;
}

PyObject *eryx_net_bytes(sandbox_list_u8_t *list) {
    PyObject *bytes = PyBytes_FromStringAndSize((const char *)list->ptr, (Py_ssize_t)list->len);
    sandbox_list_u8_free(list);
    return bytes;
}

sandbox_list_u8_t eryx_net_front(const Py_buffer *buffer) {
    size_t length = (size_t)buffer->len;
    return (sandbox_list_u8_t){
        buffer->buf, length < ERYX_NET_MOST_BYTES ? length : ERYX_NET_MOST_BYTES};
}

static PyObject *net_resolve(PyObject *module, PyObject *argument) {
    (void)module;
    Py_ssize_t length;
    const char *bytes = PyUnicode_AsUTF8AndSize(argument, &length);
    if (bytes == NULL) {
        return NULL;
    }
    sandbox_string_t name = {(uint8_t *)bytes, (size_t)length};
    uint32_t operation;
    eryx_net_types_failure_t failure;
    if (!eryx_net_names_resolve(&name, &operation, &failure)) {
        return eryx_net_raise(&failure);
    }
    return eryx_number(operation);
}

static PyObject *net_take_addresses(PyObject *module, PyObject *argument) {
    (void)module;
    uint32_t operation;
    sandbox_list_string_t found;
    eryx_net_types_failure_t failure;
    if (!eryx_number_of(argument, &operation)) {
        return NULL;
    }
    if (!eryx_net_names_take_addresses(operation, &found, &failure)) {
        return eryx_net_raise(&failure);
    }
    PyObject *list = PyList_New((Py_ssize_t)found.len);
    for (size_t i = 0; list != NULL && i < found.len; i++) {
        PyObject *address = PyUnicode_DecodeUTF8((const char *)found.ptr[i].ptr,
                                                 (Py_ssize_t)found.ptr[i].len, NULL);
        if (address == NULL) {
            Py_CLEAR(list);
        } else {
            PyList_SET_ITEM(list, (Py_ssize_t)i, address);
        }
    }
    sandbox_list_string_free(&found);
    return list;
}

static PyObject *net_connect(PyObject *module, PyObject *arguments) {
    (void)module;
    const char *bytes;
    Py_ssize_t length;
    unsigned short port;
    if (!PyArg_ParseTuple(arguments, "s#H", &bytes, &length, &port)) {
        return NULL;
    }
    sandbox_string_t address = {(uint8_t *)bytes, (size_t)length};
    uint32_t operation;
    eryx_net_types_failure_t failure;
    if (!eryx_net_tcp_connect(&address, port, &operation, &failure)) {
        return eryx_net_raise(&failure);
    }
    return eryx_number(operation);
}

static PyObject *net_take_connection(PyObject *module, PyObject *argument) {
    (void)module;
    uint32_t operation, connection;
    eryx_net_types_failure_t failure;
    if (!eryx_number_of(argument, &operation)) {
        return NULL;
    }
    if (!eryx_net_tcp_take_connection(operation, &connection, &failure)) {
        return eryx_net_raise(&failure);
    }
    return eryx_number(connection);
}

static PyObject *net_ends(PyObject *module, PyObject *argument) {
    (void)module;
    uint32_t connection;
    eryx_net_tcp_endpoints_t ends;
    eryx_net_types_failure_t failure;
    if (!eryx_number_of(argument, &connection)) {
        return NULL;
    }
    if (!eryx_net_tcp_ends(connection, &ends, &failure)) {
        return eryx_net_raise(&failure);
    }
    PyObject *answer = Py_BuildValue(
        "(s#i)(s#i)", (const char *)ends.local.address.ptr, (Py_ssize_t)ends.local.address.len,
        (int)ends.local.port, (const char *)ends.peer.address.ptr,
        (Py_ssize_t)ends.peer.address.len, (int)ends.peer.port);
    eryx_net_tcp_endpoints_free(&ends);
    return answer;
}

static PyObject *net_receive(PyObject *module, PyObject *arguments) {
    (void)module;
    uint32_t connection;
    unsigned int limit;
    int keep;
    sandbox_list_u8_t received;
    eryx_net_types_failure_t failure;
    if (!PyArg_ParseTuple(arguments, "O&Ip", eryx_number_converter, &connection, &limit, &keep)) {
        return NULL;
    }
    if (!eryx_net_tcp_receive(connection, limit, keep, &received, &failure)) {
        return eryx_net_raise(&failure);
    }
    return eryx_net_bytes(&received);
}

static PyObject *net_send(PyObject *module, PyObject *arguments) {
    (void)module;
    uint32_t connection;
    Py_buffer buffer;
    if (!PyArg_ParseTuple(arguments, "O&y*", eryx_number_converter, &connection, &buffer)) {
        return NULL;
    }
    sandbox_list_u8_t bytes = eryx_net_front(&buffer);
    uint32_t sent;
    eryx_net_types_failure_t failure;
    bool done = eryx_net_tcp_send(connection, &bytes, &sent, &failure);
    PyBuffer_Release(&buffer);
    return done ? PyLong_FromUnsignedLong(sent) : eryx_net_raise(&failure);
}

typedef bool ready_t(uint32_t, eryx_net_tcp_option_operation_t *, eryx_net_types_failure_t *);

static PyObject *when_ready(ready_t *ready, PyObject *argument) {
    uint32_t connection;
    eryx_net_tcp_option_operation_t operation;
    eryx_net_types_failure_t failure;
    if (!eryx_number_of(argument, &connection)) {
        return NULL;
    }
    if (!ready(connection, &operation, &failure)) {
        return eryx_net_raise(&failure);
    }
    if (!operation.is_some) {
        Py_RETURN_NONE;
    }
    return eryx_number(operation.val);
}

static PyObject *net_readable(PyObject *module, PyObject *argument) {
    (void)module;
    return when_ready(eryx_net_tcp_readable, argument);
}

static PyObject *net_writable(PyObject *module, PyObject *argument) {
    (void)module;
    return when_ready(eryx_net_tcp_writable, argument);
}

static PyObject *net_set_no_delay(PyObject *module, PyObject *arguments) {
    (void)module;
    uint32_t connection;
    int yes;
    eryx_net_types_failure_t failure;
    if (!PyArg_ParseTuple(arguments, "O&p", eryx_number_converter, &connection, &yes)) {
        return NULL;
    }
    if (!eryx_net_tcp_set_no_delay(connection, yes, &failure)) {
        return eryx_net_raise(&failure);
    }
    Py_RETURN_NONE;
}

static PyObject *net_shut_down(PyObject *module, PyObject *arguments) {
    (void)module;
    uint32_t connection;
    unsigned char what;
    eryx_net_types_failure_t failure;
    if (!PyArg_ParseTuple(arguments, "O&b", eryx_number_converter, &connection, &what)) {
        return NULL;
    }
    if (what > ERYX_NET_TCP_DIRECTION_BOTH) {
        PyErr_SetString(PyExc_ValueError, "no such direction");
        return NULL;
    }
    if (!eryx_net_tcp_shut_down(connection, what, &failure)) {
        return eryx_net_raise(&failure);
    }
    Py_RETURN_NONE;
}

static PyObject *net_close(PyObject *module, PyObject *argument) {
    (void)module;
    uint32_t connection;
    if (!eryx_number_of(argument, &connection)) {
        return NULL;
    }
    eryx_net_tcp_close(connection);
    Py_RETURN_NONE;
}

static PyMethodDef methods[] = {
    {"resolve", net_resolve, METH_O, NULL},
    {"take_addresses", net_take_addresses, METH_O, NULL},
    {"connect", net_connect, METH_VARARGS, NULL},
    {"take_connection", net_take_connection, METH_O, NULL},
    {"ends", net_ends, METH_O, NULL},
    {"receive", net_receive, METH_VARARGS, NULL},
    {"send", net_send, METH_VARARGS, NULL},
    {"readable", net_readable, METH_O, NULL},
    {"writable", net_writable, METH_O, NULL},
    {"set_no_delay", net_set_no_delay, METH_VARARGS, NULL},
    {"shut_down", net_shut_down, METH_VARARGS, NULL},
    {"close", net_close, METH_O, NULL},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef definition = {
    .m_base = PyModuleDef_HEAD_INIT,
    .m_name = "_eryx_net",
    .m_doc = "The way from the guest library to the host's network.",
    .m_methods = methods,
};

PyObject *PyInit__eryx_net(void) {
    PyObject *module = PyModule_Create(&definition);
    if (module == NULL || PyModule_AddFunctions(module, eryx_tls_methods) < 0) {
        return NULL;
    }
    failure_class = PyErr_NewExceptionWithDoc(
        "_eryx_net.Failure", "A code of `eryx:net/types` and a message.", NULL, NULL);
    if (failure_class == NULL || PyModule_AddObjectRef(module, "Failure", failure_class) < 0) {
        return NULL;
    }
    return module;
}
