/* The standard library: compiled modules and their sources in one zip file. */
#include "shim.h"

static const unsigned char archive[] __attribute__((aligned(16))) = {
#embed "stdlib.zip"
};

PyObject *eryx_archive(void) {
    return PyMemoryView_FromMemory((char *)archive, sizeof archive, PyBUF_READ);
}
