/* The generator behind the functions of `random`, for the built-in module `_eryx`: what it
   has as bytes, and a new start. As `random` itself tells the one, as 625 ints, it is more
   than half of what saving a few variables takes; as it does the other it is a sixteenth of
   a short run. */
#include "shim.h"

#include <string.h>

#define WORDS 624

/* As CPython's `_randommodule.c` has it, which shows it to nobody. */
typedef struct {
    PyObject_HEAD
    int index;
    uint32_t words[WORDS];
} random_t;

#define STATE_SIZE (sizeof(random_t) - offsetof(random_t, index))

static random_t *generator;

PyObject *eryx_use_random(PyObject *module, PyObject *object) {
    (void)module;
    PyTypeObject *type = Py_TYPE(object);
    while (type != NULL && strcmp(type->tp_name, "_random.Random") != 0) {
        type = type->tp_base;
    }
    if (type == NULL || type->tp_basicsize != sizeof(random_t)) {
        PyErr_Format(PyExc_TypeError, "a %.200s has no random numbers", Py_TYPE(object)->tp_name);
        return NULL;
    }
    Py_XSETREF(generator, (random_t *)Py_NewRef(object));
    Py_RETURN_NONE;
}

PyObject *eryx_random_state(PyObject *module, PyObject *unused) {
    (void)module, (void)unused;
    return PyBytes_FromStringAndSize((const char *)&generator->index, STATE_SIZE);
}

PyObject *eryx_set_random_state(PyObject *module, PyObject *state) {
    (void)module;
    int index = -1;
    if (PyBytes_Check(state) && PyBytes_GET_SIZE(state) == STATE_SIZE) {
        memcpy(&index, PyBytes_AS_STRING(state), sizeof index);
    }
    /* How many words were used. */
    if (index < 0 || index > WORDS) {
        PyErr_SetString(PyExc_ValueError, "that is no state of random numbers");
        return NULL;
    }
    memcpy(&generator->index, PyBytes_AS_STRING(state), STATE_SIZE);
    Py_RETURN_NONE;
}

static uint64_t turned(uint64_t value, int bits) {
    return value << bits | value >> (64 - bits);
}

/* Blackman's and Vigna's xoshiro256**. */
static uint64_t next_of(uint64_t state[4]) {
    uint64_t next = turned(state[1] * 5, 7) * 9, shifted = state[1] << 17;
    state[2] ^= state[0];
    state[3] ^= state[1];
    state[1] ^= state[2];
    state[0] ^= state[3];
    state[2] ^= shifted;
    state[3] = turned(state[3], 45);
    return next;
}

PyObject *eryx_seed_random(PyObject *module, PyObject *entropy) {
    (void)module;
    uint64_t state[4];
    if (!PyBytes_Check(entropy) || PyBytes_GET_SIZE(entropy) != sizeof state) {
        PyErr_Format(PyExc_ValueError, "%zu bytes of entropy are needed", sizeof state);
        return NULL;
    }
    memcpy(state, PyBytes_AS_STRING(entropy), sizeof state);
    for (int i = 0; i < WORDS; i += 2) {
        uint64_t next = next_of(state);
        generator->words[i] = (uint32_t)next;
        generator->words[i + 1] = (uint32_t)(next >> 32);
    }
    /* As CPython does: never are all of them zero. */
    generator->words[0] = 1U << 31;
    generator->index = WORDS;
    Py_RETURN_NONE;
}
