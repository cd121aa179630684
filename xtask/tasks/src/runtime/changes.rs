//! What CPython's own files are to say instead, where the guest's Python is built: the
//! native one is made of the same sources, as they are.

use anyhow::{Context, Result, ensure};
use std::fs;
use std::path::Path;

/// The folders of what is changed, in CPython's source and where it is built: the files
/// look there for what they include.
pub(super) const FOLDERS: [&str; 2] = ["Objects", "Python"];

/// How often a file must say it, what it says, and what it is to say.
type Change = (usize, &'static str, &'static str);

/// The shim is asked how many bytes or items a program wants (`shim/counts.c`).
const COUNTS: [(&str, &[Change]); 3] = [
    ("Objects/abstract.c", &[(1, "PyNumber_AsSsize_t(n, PyExc_OverflowError)", "eryx_count(n)")]),
    (
        "Objects/bytesobject.c",
        &[(1, "PyNumber_AsSsize_t(x, PyExc_OverflowError)", "eryx_count(x)")],
    ),
    (
        "Objects/bytearrayobject.c",
        &[(1, "PyNumber_AsSsize_t(arg, PyExc_OverflowError)", "eryx_count(arg)")],
    ),
];

/// A call costs more than it does natively, one by a table most: where nobody stands in
/// for the allocator it is called by its name (inlined everywhere it would slow down the
/// interpreter's loop), and two functions that others use all the time are inlined.
const CALLS: [(&str, &[Change]); 3] = [
    (
        "Objects/obmalloc.c",
        &[
            (1, "void *\nPyObject_Malloc(", "Py_NO_INLINE void *\nPyObject_Malloc("),
            (
                1,
                "    return _PyObject.malloc(_PyObject.ctx, size);",
                "    if (_PyObject.malloc == _PyObject_Malloc)\n        \
                    return _PyObject_Malloc(NULL, size);\n    \
                return _PyObject.malloc(_PyObject.ctx, size);",
            ),
            (1, "void\nPyObject_Free(", "Py_NO_INLINE void\nPyObject_Free("),
            (
                1,
                "    _PyObject.free(_PyObject.ctx, ptr);",
                "    if (_PyObject.free == _PyObject_Free)\n        \
                    _PyObject_Free(NULL, ptr);\n    \
                else\n        \
                    _PyObject.free(_PyObject.ctx, ptr);",
            ),
        ],
    ),
    (
        "Objects/longobject.c",
        &[(
            1,
            "static inline PyObject *\n_PyLong_FromSTwoDigits(",
            "static inline Py_ALWAYS_INLINE PyObject *\n_PyLong_FromSTwoDigits(",
        )],
    ),
    (
        "Python/frame.c",
        &[(
            1,
            "void\n_PyFrame_ClearExceptCode(",
            "Py_ALWAYS_INLINE void\n_PyFrame_ClearExceptCode(",
        )],
    ),
];

/// What follows a call of a Python function, and a comparison, is looked for before the
/// next turn of the interpreter's loop (`shim/breaker.h`).
const TURNS: [(&str, &[Change]); 2] = [
    (
        "Python/generated_cases.c.h",
        &[
            (
                5,
                "LOAD_IP(0);\n                LLTRACE_RESUME_FRAME();\n            }\n            \
                DISPATCH();",
                "LOAD_IP(0);\n            }\n            ERYX_DISPATCH_TO(RESUME_CHECK);",
            ),
            (
                3,
                "oparg & 16.\n            }\n            stack_pointer[-2] = res;\n            \
                stack_pointer += -1;\n            DISPATCH();",
                "oparg & 16.\n            }\n            stack_pointer[-2] = res;\n            \
                stack_pointer += -1;\n            ERYX_DISPATCH_TO(POP_JUMP_IF_FALSE);",
            ),
        ],
    ),
    // As it is: it includes what is beside it.
    ("Python/ceval.c", &[]),
];

/// One object holds the path of the source, which no option maps: in a build that is not
/// installed Python would look for its library there. And `FileIO` asks the shim
/// (`shim/open_files.c`) what a file is, which costs less than all that is known of it.
const MAKEFILE: [Change; 2] = [
    (1, "-DVPATH='\"$(VPATH)\"'", "-DVPATH='\"/usr/src/python\"'"),
    (
        1,
        "-c $(srcdir)/Modules/_io/fileio.c",
        "-D_Py_fstat_noraise=eryx_look_at_file -c $(srcdir)/Modules/_io/fileio.c",
    ),
];

/// Changes the makefile, and writes changed copies of sources beside it, where they come
/// before the source itself.
pub(super) fn make(source: &Path, build: &Path) -> Result<()> {
    for name in FOLDERS {
        let path = build.join(name);
        fs::create_dir_all(&path).with_context(|| format!("cannot make {}", path.display()))?;
    }
    for (name, changes) in COUNTS.iter().chain(&CALLS).chain(&TURNS) {
        copy(&source.join(name), &build.join(name), changes)?;
    }
    let makefile = build.join("Makefile");
    copy(&makefile, &makefile, &MAKEFILE)
}

fn copy(from: &Path, to: &Path, changes: &[Change]) -> Result<()> {
    let text =
        fs::read_to_string(from).with_context(|| format!("cannot read {}", from.display()))?;
    let text = changed(text, changes).with_context(|| format!("cannot change {}", to.display()))?;
    fs::write(to, text).with_context(|| format!("cannot write {}", to.display()))
}

fn changed(mut text: String, changes: &[Change]) -> Result<String> {
    for (times, theirs, ours) in changes {
        let found = text.matches(theirs).count();
        ensure!(found == *times, "it says this {found} times instead of {times}: {theirs}");
        text = text.replace(theirs, ours);
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_said_as_often_as_it_was_is_not_changed() {
        let change = |text: &str, times| changed(text.into(), &[(times, "old", "new")]);
        assert_eq!(change("old and old", 2).unwrap(), "new and new");
        for (text, times) in [("old and old", 1), ("nothing", 1), ("old", 2)] {
            let refused = change(text, times).unwrap_err().to_string();
            assert!(refused.contains("old"), "{refused}");
        }
    }
}
