/* How many bytes or items a program asks for, as in `bytes(n)` and `[0] * n`. */
#include "shim.h"

#include "breaker.h"

/* A number that a Python of 64 bits would take, and have no memory for, is a
   MemoryError here as it is there. CPython's own of 32 bits says OverflowError,
   which programs do not expect. */
Py_ssize_t eryx_count(PyObject *wanted) {
    PyObject *index = PyNumber_Index(wanted);
    if (index == NULL) {
        return -1;
    }
    int overflow;
    long long number = PyLong_AsLongLongAndOverflow(index, &overflow);
    Py_ssize_t count = -1;
    if (overflow == 0 && number > PY_SSIZE_T_MAX) {
        PyErr_NoMemory();
    } else {
        count = PyNumber_AsSsize_t(index, PyExc_OverflowError);
    }
    Py_DECREF(index);
    return count;
}
