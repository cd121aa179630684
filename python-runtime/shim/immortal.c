/* Makes every object of the started interpreter immortal.

   Reference counts are the only thing that most runs would change in most of
   the objects that all runs share, and each page that is changed costs a page
   fault and a copy. Immortal objects (PEP 683) have counts that nobody writes. */
#include "shim.h"

static int make_immortal(PyObject *object, void *unused);

/* Code objects are no containers to the collector: their parts are named here. */
static void visit_code(PyCodeObject *code) {
    PyObject *parts[] = {code->co_consts,         code->co_names,    code->co_exceptiontable,
                         code->co_localsplusnames, code->co_localspluskinds,
                         code->co_filename,       code->co_name,     code->co_qualname,
                         code->co_linetable};
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        make_immortal(parts[i], NULL);
    }
}

/* A dict does not show the collector keys that are strings. */
static void visit_keys(PyObject *dict) {
    Py_ssize_t position = 0;
    PyObject *key, *value;
    while (PyDict_Next(dict, &position, &key, &value)) {
        make_immortal(key, NULL);
    }
}

static int make_immortal(PyObject *object, void *unused) {
    (void)unused;
    if (object == NULL || object->ob_refcnt == _Py_IMMORTAL_REFCNT) {
        return 0;
    }
    object->ob_refcnt = _Py_IMMORTAL_REFCNT;
    if (PyCode_Check(object)) {
        visit_code((PyCodeObject *)object);
    } else if (PyDict_Check(object)) {
        visit_keys(object);
    }
    /* Containers that the collector tracks are visited by it; the others, as
       tuples of constants, only here. */
    traverseproc traverse = Py_TYPE(object)->tp_traverse;
    if (traverse != NULL && !PyObject_GC_IsTracked(object)) {
        traverse(object, make_immortal, NULL);
    }
    return 0;
}

static int visit_tracked(PyObject *object, void *unused) {
    make_immortal(object, NULL);
    traverseproc traverse = Py_TYPE(object)->tp_traverse;
    if (traverse != NULL) {
        traverse(object, make_immortal, unused);
    }
    return 1;
}

void eryx_make_all_immortal(void) {
    PyUnstable_GC_VisitObjects(visit_tracked, NULL);
}
