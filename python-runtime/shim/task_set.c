/* The set of asyncio's tasks, for the built-in module `_eryx`. Each task enters it and, when
   it is gone, leaves it, which are calls of Python functions otherwise. Those are called
   where somebody is looking through the set. */
#include "shim.h"

/* Of the `WeakSet`: references to tasks, who is looking through them, and which of them
   are to leave when nobody is any more. */
static PyObject *references, *iterating, *pending;
static PyObject *usual_add, *usual_remove, *remove_task;

static PyObject *add(PyObject *module, PyObject *task) {
    (void)module;
    if (PyList_GET_SIZE(pending) > 0) {
        return PyObject_CallOneArg(usual_add, task);
    }
    PyObject *reference = PyWeakref_NewRef(task, remove_task);
    int added = reference ? PySet_Add(references, reference) : -1;
    Py_XDECREF(reference);
    return added < 0 ? NULL : Py_NewRef(Py_None);
}

static PyObject *remove_reference(PyObject *module, PyObject *reference) {
    (void)module;
    if (PySet_GET_SIZE(iterating) > 0) {
        return PyObject_CallOneArg(usual_remove, reference);
    }
    return PySet_Discard(references, reference) < 0 ? NULL : Py_NewRef(Py_None);
}

static PyMethodDef methods[] = {
    {"add", add, METH_O, "Add a task."},
    {"_remove", remove_reference, METH_O, "Remove the reference to a task that is gone."},
};

/* Has the set use one of the two; the answer is what it used before. */
static PyObject *replace(PyObject *set, PyMethodDef *method) {
    PyObject *usual = PyObject_GetAttrString(set, method->ml_name);
    PyObject *own = usual ? PyCFunction_New(method, NULL) : NULL;
    if (own == NULL || PyObject_SetAttrString(set, method->ml_name, own) < 0) {
        Py_CLEAR(usual);
    }
    Py_XDECREF(own);
    return usual;
}

/* `use_task_set(set)`; once. */
PyObject *eryx_use_task_set(PyObject *module, PyObject *set) {
    (void)module;
    if (references != NULL) {
        PyErr_SetString(PyExc_RuntimeError, "the set of tasks is known");
        return NULL;
    }
    references = PyObject_GetAttrString(set, "data");
    iterating = references ? PyObject_GetAttrString(set, "_iterating") : NULL;
    pending = iterating ? PyObject_GetAttrString(set, "_pending_removals") : NULL;
    if (pending == NULL) {
        return NULL;
    }
    if (!PySet_Check(references) || !PySet_Check(iterating) || !PyList_Check(pending)) {
        PyErr_SetString(PyExc_TypeError, "use_task_set() takes a WeakSet");
        return NULL;
    }
    usual_add = replace(set, &methods[0]);
    usual_remove = usual_add ? replace(set, &methods[1]) : NULL;
    remove_task = usual_remove ? PyObject_GetAttrString(set, methods[1].ml_name) : NULL;
    return remove_task ? Py_NewRef(Py_None) : NULL;
}
