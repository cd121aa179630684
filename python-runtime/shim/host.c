/* The built-in module `_eryx`. */
#include "shim.h"

#include "sandbox.h"

static PyObject *host_archive(PyObject *module, PyObject *unused) {
    (void)module, (void)unused;
    return eryx_archive();
}

static PyObject *host_wait(PyObject *module, PyObject *argument) {
    (void)module;
    unsigned long long nanoseconds = PyLong_AsUnsignedLongLong(argument);
    if (PyErr_Occurred()) {
        return NULL;
    }
    eryx_runtime_waiting_list_operation_t finished;
    eryx_runtime_waiting_wait(nanoseconds, &finished);
    PyObject *numbers = PyTuple_New((Py_ssize_t)finished.len);
    for (size_t i = 0; numbers != NULL && i < finished.len; i++) {
        PyObject *number = PyLong_FromUnsignedLong(finished.ptr[i]);
        if (number == NULL) {
            Py_CLEAR(numbers);
        } else {
            PyTuple_SET_ITEM(numbers, (Py_ssize_t)i, number);
        }
    }
    eryx_runtime_waiting_list_operation_free(&finished);
    return numbers;
}

static PyObject *host_cancel(PyObject *module, PyObject *argument) {
    (void)module;
    unsigned long operation = PyLong_AsUnsignedLong(argument);
    if (PyErr_Occurred()) {
        return NULL;
    }
    eryx_runtime_waiting_cancel((uint32_t)operation);
    Py_RETURN_NONE;
}

static PyObject *host_open_streams(PyObject *module, PyObject *unused) {
    (void)module, (void)unused;
    eryx_open_streams();
    Py_RETURN_NONE;
}

static PyMethodDef methods[] = {
    {"archive", host_archive, METH_NOARGS, "The standard library's zip file."},
    {"wait", host_wait, METH_O,
     "Wait for operations to finish, that many nanoseconds at most; return their numbers."},
    {"cancel", host_cancel, METH_O, "Give an operation up."},
    {"start_call", eryx_start_call, METH_VARARGS,
     "Call a callback with a JSON object and a list of (name, bytes)."},
    {"take_call", eryx_take_call, METH_O, "What came of a finished call."},
    {"open_streams", host_open_streams, METH_NOARGS,
     "Connect descriptors 1 and 2 with the host's output again."},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef definition = {
    .m_base = PyModuleDef_HEAD_INIT,
    .m_name = "_eryx",
    .m_doc = "The way from the guest library to the host.",
    .m_methods = methods,
};

PyObject *PyInit__eryx(void) {
    return PyModule_Create(&definition);
}
