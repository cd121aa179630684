/* The standard library: compiled modules and their sources in one zip file. */
#include "shim.h"

#include <string.h>

static unsigned char archive[] __attribute__((aligned(16))) = {
#embed "stdlib.zip"
};

static size_t length = sizeof archive;

PyObject *eryx_archive(bool may_change) {
    int flags = may_change ? PyBUF_WRITE : PyBUF_READ;
    return PyMemoryView_FromMemory((char *)archive, (Py_ssize_t)length, flags);
}

bool eryx_shorten_archive(size_t to) {
    if (to > length) {
        return false;
    }
    explicit_bzero(archive + to, length - to);
    length = to;
    return true;
}
