/* The digits of an int, which `str`, `print` and f-strings ask for more often than for
   anything else. CPython's own way goes through a second int with decimal digits,
   whatever the number; those of a single digit of its own need none. */
#include "shim.h"

#include <string.h>

static reprfunc digits_of_any;

static PyObject *digits(PyObject *number) {
    if (!PyUnstable_Long_IsCompact((PyLongObject *)number)) {
        return digits_of_any(number);
    }
    /* Less than 2**30. */
    char text[11];
    char *start = text + sizeof text;
    Py_ssize_t value = PyUnstable_Long_CompactValue((PyLongObject *)number);
    size_t left = value < 0 ? (size_t)-value : (size_t)value;
    do {
        *--start = (char)('0' + left % 10);
        left /= 10;
    } while (left > 0);
    if (value < 0) {
        *--start = '-';
    }
    size_t length = (size_t)(text + sizeof text - start);
    PyObject *string = PyUnicode_New((Py_ssize_t)length, 127);
    if (string != NULL) {
        memcpy(PyUnicode_1BYTE_DATA(string), start, length);
    }
    return string;
}

void eryx_use_digits(void) {
    digits_of_any = PyLong_Type.tp_repr;
    PyLong_Type.tp_repr = digits;
}
