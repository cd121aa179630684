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
    eryx_runtime_waiting_wait(nanoseconds);
    Py_RETURN_NONE;
}

static PyObject *host_open_streams(PyObject *module, PyObject *unused) {
    (void)module, (void)unused;
    eryx_open_streams();
    Py_RETURN_NONE;
}

static PyMethodDef methods[] = {
    {"archive", host_archive, METH_NOARGS, "The standard library's zip file."},
    {"wait", host_wait, METH_O, "Wait for that many nanoseconds."},
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
