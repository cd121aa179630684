/* Starts the interpreter at build time; its memory is then frozen into the component. */
#include "shim.h"

#include <stdlib.h>

/* The current directory, which only libc knows of. */
extern char *__wasilibc_cwd;

PyObject *eryx_execute;

/* Where the standard library seems to live: the archive answers for it. */
#define LIBRARY L"/usr/lib/python313.zip"

static void check(PyStatus status) {
    if (PyStatus_Exception(status)) {
        Py_ExitStatusException(status);
    }
}

static void configure(PyConfig *config) {
    PyConfig_InitIsolatedConfig(config);
    /* Deterministic images need a fixed seed: all instances share it. */
    config->use_hash_seed = 1;
    config->hash_seed = 0x65727978;
    config->install_signal_handlers = 0;
    config->write_bytecode = 0;
    /* What a program has printed is with the host whenever that stops it. */
    config->buffered_stdio = 0;
    config->module_search_paths_set = 1;
    check(PyWideStringList_Append(&config->module_search_paths, LIBRARY));
    check(PyConfig_SetString(config, &config->prefix, L"/usr"));
    check(PyConfig_SetString(config, &config->base_prefix, L"/usr"));
    check(PyConfig_SetString(config, &config->exec_prefix, L"/usr"));
    check(PyConfig_SetString(config, &config->base_exec_prefix, L"/usr"));
    check(PyConfig_SetString(config, &config->stdlib_dir, LIBRARY));
    check(PyConfig_SetString(config, &config->stdio_encoding, L"utf-8"));
    check(PyConfig_SetString(config, &config->stdio_errors, L"strict"));
    check(PyConfig_SetString(config, &config->executable, L""));
    check(PyConfig_SetString(config, &config->base_executable, L""));
    /* `site` needs the archive, which needs an interpreter: it is imported below. */
    config->site_import = 0;
}

/* `io.open_code`, with which `zipimport` opens the archive. */
static PyObject *open_code(PyObject *path, void *unused) {
    (void)unused;
    PyObject *archive = PyImport_ImportModule("_eryx_archive");
    PyObject *file = archive ? PyObject_CallMethod(archive, "open_code", "O", path) : NULL;
    Py_XDECREF(archive);
    return file;
}

static void start_interpreter(void) {
    PyPreConfig preconfig;
    PyPreConfig_InitIsolatedConfig(&preconfig);
    preconfig.utf8_mode = 1;
    check(Py_PreInitialize(&preconfig));

    if (PyFile_SetOpenCodeHook(open_code, NULL) < 0) {
        abort();
    }
    eryx_use_digits();
    PyImport_FrozenModules = eryx_frozen_modules;
    if (PyImport_AppendInittab("_eryx", PyInit__eryx) < 0
        || PyImport_AppendInittab("_eryx_net", PyInit__eryx_net) < 0) {
        abort();
    }
    PyConfig config;
    configure(&config);
    check(Py_InitializeFromConfig(&config));
    PyConfig_Clear(&config);
}

/* Imports what programs commonly need and finds the entry point. */
static void load_library(void) {
    PyObject *boot = PyImport_ImportModule("_eryx_boot");
    PyObject *execute = boot ? PyObject_CallMethod(boot, "start", NULL) : NULL;
    if (execute == NULL) {
        PyErr_Print();
        exit(1);
    }
    Py_DECREF(boot);
    eryx_execute = execute;
}

static void boot(const char *step) {
    PyObject *boot = PyImport_ImportModule("_eryx_boot");
    PyObject *done = boot ? PyObject_CallMethod(boot, step, NULL) : NULL;
    if (done == NULL) {
        PyErr_Print();
        exit(1);
    }
    Py_DECREF(done);
    Py_DECREF(boot);
}

/* Leaves the heap as programs are to find it. */
static void settle(void) {
    /* Also gives back the objects that are kept for reuse, wherever they lie. */
    PyGC_Collect();
    eryx_make_all_immortal();
    eryx_settle_heap();
}

__attribute__((export_name("wizer-initialize"))) void eryx_start(void) {
    start_interpreter();
    load_library();
    settle();
    boot("gather");
    settle();
    eryx_use_files();
    __wasilibc_cwd = "/data";
}
