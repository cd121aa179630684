/* What CPython does with the standard streams when a program is through. */
#include "shim.h"

/* Without it: NULL and no exception. Its program may have deleted it. */
static PyObject *stream(const char *name) {
    PyObject *file = PySys_GetObject(name);
    if (file == NULL) {
        PyErr_Clear();
    }
    return file == NULL || file == Py_None ? NULL : Py_NewRef(file);
}

static bool is_closed(PyObject *file) {
    PyObject *closed = PyObject_GetAttrString(file, "closed");
    int is_true = closed ? PyObject_IsTrue(closed) : 0;
    Py_XDECREF(closed);
    if (closed == NULL || is_true < 0) {
        PyErr_Clear();
    }
    return is_true > 0;
}

/* False with an exception set. */
static bool flush(PyObject *file, bool lasting) {
    if (is_closed(file)) {
        return true;
    }
    PyObject *method, *done;
    int found = PyObject_GetOptionalAttrString(file, "flush", &method);
    if (found == 0 && lasting) {
        /* Who only has `write` cannot be waiting for this. */
        return true;
    }
    if (found == 0) {
        PyErr_Format(PyExc_AttributeError, "'%.100s' object has no attribute 'flush'",
                     Py_TYPE(file)->tp_name);
    }
    done = method ? PyObject_CallNoArgs(method) : NULL;
    Py_XDECREF(method);
    Py_XDECREF(done);
    return done != NULL;
}

/* The program is asked to end by a TimeoutError: it is passed on. */
static bool is_asked_to_end(void) {
    return PyErr_ExceptionMatches(PyExc_TimeoutError);
}

/* What was printed before another took its place. */
static bool flush_first(const char *name, PyObject *replaced_by) {
    PyObject *file = stream(name);
    bool passed = true;
    if (file != NULL && file != replaced_by && !flush(file, true)) {
        passed = !is_asked_to_end();
        if (passed) {
            PyErr_Clear();
        }
    }
    Py_XDECREF(file);
    return passed;
}

PyObject *eryx_flush_streams(bool lasting) {
    bool kept = true, passed = true;
    PyObject *out = stream("stdout"), *err = stream("stderr");
    if (out != NULL && !flush(out, lasting)) {
        kept = false;
        passed = !is_asked_to_end();
        if (passed) {
            PyErr_FormatUnraisable("Exception ignored on flushing sys.stdout");
        }
    }
    if (passed && err != NULL && !flush(err, lasting)) {
        kept = false;
        passed = !is_asked_to_end();
        if (passed) {
            PyErr_Clear();
        }
    }
    passed = passed && flush_first("__stdout__", out) && flush_first("__stderr__", err);
    Py_XDECREF(out);
    Py_XDECREF(err);
    return passed ? PyBool_FromLong(kept) : NULL;
}
