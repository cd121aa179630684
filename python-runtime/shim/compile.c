/* Compiles a program so that its last statement, if that is an expression, leaves
   its value behind. Python's own `compile` could do so only by a second pass over
   a syntax tree of Python objects, which takes longer than all the rest. */
#include "shim.h"

#define Py_BUILD_CORE 1
#include "internal/pycore_ast.h"
#include "internal/pycore_compile.h"
#include "internal/pycore_parser.h"
#include "internal/pycore_pyarena.h"

/* No identifier: a program has no such name. */
#define VALUE "<value>"

/* Makes `expression` at the end of the module an assignment. */
static bool keep_value(mod_ty module, PyArena *arena) {
    asdl_stmt_seq *body = module->v.Module.body;
    Py_ssize_t count = asdl_seq_LEN(body);
    stmt_ty last = count > 0 ? asdl_seq_GET(body, count - 1) : NULL;
    if (last == NULL || last->kind != Expr_kind) {
        return true;
    }
    PyObject *name = PyUnicode_InternFromString(VALUE);
    if (name == NULL || _PyArena_AddPyObject(arena, name) < 0) {
        Py_XDECREF(name);
        return false;
    }
    asdl_expr_seq *targets = _Py_asdl_expr_seq_new(1, arena);
    expr_ty target = _PyAST_Name(name, Store, last->lineno, last->col_offset, last->end_lineno,
                                 last->end_col_offset, arena);
    if (targets == NULL || target == NULL) {
        return false;
    }
    asdl_seq_SET(targets, 0, target);
    stmt_ty assignment =
        _PyAST_Assign(targets, last->v.Expr.value, NULL, last->lineno, last->col_offset,
                      last->end_lineno, last->end_col_offset, arena);
    if (assignment == NULL) {
        return false;
    }
    asdl_seq_SET(body, count - 1, assignment);
    return true;
}

static PyObject *compiled(const char *source, PyObject *filename, PyArena *arena) {
    PyCompilerFlags flags = _PyCompilerFlags_INIT;
    flags.cf_flags =
        PyCF_ALLOW_TOP_LEVEL_AWAIT | PyCF_SOURCE_IS_UTF8 | PyCF_IGNORE_COOKIE;
    mod_ty module = _PyParser_ASTFromString(source, filename, Py_file_input, &flags, arena);
    if (module == NULL || !keep_value(module, arena)) {
        return NULL;
    }
    return (PyObject *)_PyAST_Compile(module, filename, &flags, -1, arena);
}

/* `compile(source, filename)`: the program's code. Running it leaves the value of
   the last expression in the namespace, under the name `VALUE`. */
PyObject *eryx_compile(PyObject *module, PyObject *const *arguments, Py_ssize_t count) {
    (void)module;
    if (count != 2 || !PyUnicode_Check(arguments[0]) || !PyUnicode_Check(arguments[1])) {
        PyErr_SetString(PyExc_TypeError, "compile() takes a source and a file name");
        return NULL;
    }
    Py_ssize_t length;
    const char *source = PyUnicode_AsUTF8AndSize(arguments[0], &length);
    if (source != NULL && strlen(source) != (size_t)length) {
        PyErr_SetString(PyExc_SyntaxError, "source code string cannot contain null bytes");
        return NULL;
    }
    PyArena *arena = source ? _PyArena_New() : NULL;
    if (arena == NULL) {
        return NULL;
    }
    PyObject *code = compiled(source, arguments[1], arena);
    _PyArena_Free(arena);
    return code;
}
