/* How a text file treats the ends of lines, which Python does not tell. */
#include "shim.h"

/* The beginning of `struct textio` in CPython's Modules/_io/textio.c. */
typedef struct {
    PyObject_HEAD
    int ok;
    int detached;
    Py_ssize_t chunk_size;
    PyObject *buffer;
    PyObject *encoding;
    PyObject *encoder;
    PyObject *decoder;
    PyObject *newline;
} text_t;

/* `newline_of(file)`: what `open` was told of `newline`. */
PyObject *eryx_newline_of(PyObject *module, PyObject *file) {
    (void)module;
    const text_t *text = (const text_t *)file;
    PyObject *io = PyImport_ImportModule("_io");
    PyObject *type = io ? PyObject_GetAttrString(io, "TextIOWrapper") : NULL;
    PyObject *buffer = type ? PyObject_GetAttrString(file, "buffer") : NULL;
    bool is_known = buffer != NULL && Py_IS_TYPE(file, (PyTypeObject *)type)
                    && text->buffer == buffer
                    && (text->newline == NULL || PyUnicode_Check(text->newline));
    Py_XDECREF(io);
    Py_XDECREF(type);
    Py_XDECREF(buffer);
    if (buffer == NULL) {
        return NULL;
    }
    if (!is_known) {
        PyErr_SetString(PyExc_TypeError, "it is no TextIOWrapper as CPython makes it");
        return NULL;
    }
    return text->newline ? Py_NewRef(text->newline) : Py_NewRef(Py_None);
}
