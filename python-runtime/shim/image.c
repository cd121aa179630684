/* The export `image`: this memory as the host copies it, and going on in a copy. */
#include "shim.h"

#include "sandbox.h"
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <wasi/api.h>

#define WASM_PAGE 65536u

/* How often this memory has been put into another interpreter. Numbers of what
   the host keeps for the guest carry it, so that those of the interpreter that
   the memory comes from mean nothing any more. */
static uint32_t generation;

PyObject *eryx_number(uint32_t number) {
    return PyLong_FromUnsignedLongLong((uint64_t)generation << 32 | number);
}

bool eryx_number_of(PyObject *object, uint32_t *out) {
    unsigned long long tagged = PyLong_AsUnsignedLongLong(object);
    if (PyErr_Occurred()) {
        return false;
    }
    /* The host counts from 1: it knows nothing by the number 0. */
    *out = tagged >> 32 == generation ? (uint32_t)tagged : 0;
    return true;
}

int eryx_number_converter(PyObject *object, void *out) {
    return eryx_number_of(object, out);
}

/* --- Memory ------------------------------------------------------------- */

void exports_eryx_runtime_image_memory(sandbox_list_u8_t *out) {
    size_t pages = __builtin_wasm_memory_size(0);
    *out = (sandbox_list_u8_t){NULL, pages < 65536 ? pages * WASM_PAGE : UINT32_MAX};
}

/* In the stead of the generated function, which would free the list. */
__attribute__((export_name("cabi_post_eryx:runtime/image@0.1.0#memory"))) void
__wasm_export_exports_eryx_runtime_image_memory_post_return(uint8_t *list) {
    (void)list;
}

bool exports_eryx_runtime_image_grow(uint32_t pages) {
    size_t now = __builtin_wasm_memory_size(0);
    return pages <= now || __builtin_wasm_memory_grow(0, pages - now) != SIZE_MAX;
}

#define PAGE 4096u

typedef exports_eryx_runtime_image_piece_t piece_t;

/* The list that `write` is given, while its pieces cross: where it is lowered to,
   and which of them is next. Pages of its own, since anything else may be written
   over meanwhile. */
static _Alignas(PAGE) union {
    struct {
        bool is_aimed;
        piece_t *next;
        piece_t pieces[5000];
    };
    uint8_t pages[15 * PAGE];
} transit;

void exports_eryx_runtime_image_aim(void) {
    transit.is_aimed = true;
    transit.next = NULL;
}

/* The place for the list, then for each piece's bytes. Of a piece its address has
   arrived when that is asked for. */
static void *place_in_transit(size_t size) {
    if (transit.next != NULL) {
        return (void *)(transit.next++)->address;
    }
    if (size > sizeof transit.pieces) {
        abort();
    }
    transit.next = transit.pieces;
    return transit.pieces;
}

void exports_eryx_runtime_image_write(exports_eryx_runtime_image_list_piece_t *pieces) {
    (void)pieces;
    if (transit.next != NULL) {
        memset(&transit, 0, (size_t)((uint8_t *)transit.next - transit.pages));
    }
}

static void *next_place;
static size_t next_size;

void eryx_put_next(void *place, size_t size) {
    next_place = place;
    next_size = size;
}

/* Where the host puts what it hands over: in the stead of the generated
   function, which knows only `malloc`. */
__attribute__((export_name("cabi_realloc"))) void *cabi_realloc(void *old, size_t old_size,
                                                                size_t align, size_t size) {
    (void)old_size;
    if (transit.is_aimed) {
        return place_in_transit(size);
    }
    if (next_place != NULL && old == NULL && size <= next_size) {
        void *place = next_place;
        next_place = NULL;
        return place;
    }
    if (size == 0) {
        return (void *)align;
    }
    void *block = realloc(old, size);
    if (block == NULL) {
        abort();
    }
    return block;
}

/* The WASI adapter takes here, when it is first called, what it keeps in this
   memory: its stack and its state. */
static _Alignas(WASM_PAGE) uint8_t for_adapter[2 * WASM_PAGE];
static size_t taken_by_adapter;

__attribute__((export_name("cabi_realloc_adapter"))) void *
eryx_memory_for_adapter(void *old, size_t old_size, size_t align, size_t size) {
    (void)old, (void)old_size, (void)align;
    size_t begin = taken_by_adapter;
    if (begin > sizeof for_adapter || size > sizeof for_adapter - begin) {
        abort();
    }
    taken_by_adapter += (size + WASM_PAGE - 1) / WASM_PAGE * WASM_PAGE;
    return for_adapter + begin;
}

void exports_eryx_runtime_image_begin(exports_eryx_runtime_image_places_t *out) {
    /* Of the adapter's functions the one that makes its state and nothing else. */
    __wasi_size_t count;
    __wasi_size_t size;
    (void)__wasi_environ_sizes_get(&count, &size);
    *out = (exports_eryx_runtime_image_places_t){
        .transit = {(uint32_t)&transit, sizeof transit},
        .adapter = {(uint32_t)for_adapter, sizeof for_adapter},
    };
}

/* --- Going on ----------------------------------------------------------- */

void exports_eryx_runtime_image_prepare(void) {
    eryx_note_clock();
}

void exports_eryx_runtime_image_resume(sandbox_list_u8_t *maybe_entropy) {
    generation++;
    eryx_continue_clock();
    eryx_reopen_files();
    eryx_forget_told();
    PyObject *entropy = maybe_entropy == NULL
                            ? Py_NewRef(Py_None)
                            : PyBytes_FromStringAndSize((const char *)maybe_entropy->ptr,
                                                        (Py_ssize_t)maybe_entropy->len);
    if (maybe_entropy != NULL) {
        sandbox_list_u8_free(maybe_entropy);
    }
    PyObject *module = PyImport_ImportModule("_eryx_image");
    PyObject *answer =
        module && entropy ? PyObject_CallMethod(module, "resume", "O", entropy) : NULL;
    if (answer == NULL) {
        PyErr_Print();
        abort();
    }
    Py_DECREF(answer);
    Py_DECREF(module);
    Py_DECREF(entropy);
}
