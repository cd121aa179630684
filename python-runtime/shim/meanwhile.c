/* Lets asyncio go on while a function that it has called waits in C: in `time.sleep`, for
   a lock. What waits in Python sees to that itself, see lib/_eryx_jobs.py. */
#include "shim.h"

/* Of the guest library; NULL where there is none. */
static PyObject *meanwhile;

/* An exception that came of that, until Python raises it. */
static PyObject *raised;

PyObject *eryx_use_meanwhile(PyObject *module, PyObject *argument) {
    (void)module;
    Py_XSETREF(meanwhile, argument == Py_None ? NULL : Py_NewRef(argument));
    Py_RETURN_NONE;
}

static int raise_raised(void *unused) {
    (void)unused;
    PyErr_SetRaisedException(raised);
    raised = NULL;
    return -1;
}

bool eryx_go_on(int64_t nanoseconds) {
    if (meanwhile == NULL || raised != NULL) {
        return false;
    }
    PyGILState_STATE state = PyGILState_Ensure();
    PyObject *timeout =
        nanoseconds < 0 ? Py_NewRef(Py_None) : PyFloat_FromDouble((double)nanoseconds / 1e9);
    PyObject *went = timeout == NULL ? NULL : PyObject_CallOneArg(meanwhile, timeout);
    if (went == NULL) {
        raised = PyErr_GetRaisedException();
        (void)Py_AddPendingCall(raise_raised, NULL);
    }
    Py_XDECREF(timeout);
    Py_XDECREF(went);
    PyGILState_Release(state);
    return true;
}

bool eryx_has_raised(void) {
    return raised != NULL;
}
