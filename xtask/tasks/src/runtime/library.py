"""Compiles the standard library: OUTPUT_FOLDER LIBRARY_FOLDER...

Run by the native Python of the very version. Writes the folder `library`, with the
source and the byte code of each module, and `frozen.c`, with the modules that
must be importable before the archive is. The same input gives the same bytes.
"""

import _imp
import importlib._bootstrap_external
import marshal
import os
import shutil
import sys

# Modules that the native Python has only if the machine has the library to them:
# nothing here may need one.
sys.modules.update(dict.fromkeys(
    ("zlib", "_bz2", "_lzma", "_ctypes", "_hashlib", "_sqlite3", "_ssl", "_uuid")))

# Where the modules seem to be: the name that tracebacks show.
HOME = "/usr/lib/python313.zip"

# Tests, graphical programs, what installs packages, and where that found them.
LEFT_OUT = {"test", "tests", "idle_test", "idlelib", "tkinter", "turtledemo", "ensurepip",
            "__pycache__", "site-packages"}
LEFT_OUT_ENDING = ".dist-info"
# Graphical, or for Windows only.
LEFT_OUT_FILES = {"turtle.py", "asyncio/proactor_events.py", "asyncio/windows_events.py",
                  "asyncio/windows_utils.py", "_pyrepl/windows_console.py",
                  "_pyrepl/windows_eventqueue.py"}
# What `help` says, as one dictionary: nobody steps through it.
SOURCE_LEFT_OUT = {"pydoc_data/topics.py"}
ENDINGS = (".py", ".txt", ".rst", ".gram", ".json")

FROZEN = ("encodings/__init__.py", "encodings/aliases.py", "encodings/utf_8.py",
          "_eryx_archive.py", "_eryx_boot.py")


def collect(folders):
    """Relative name -> content; later folders win."""
    files = {}
    for base in folders:
        for folder, names, found in os.walk(base):
            names[:] = [name for name in names
                        if name not in LEFT_OUT and not name.endswith(LEFT_OUT_ENDING)]
            for file in found:
                path = os.path.join(folder, file)
                name = os.path.relpath(path, base).replace(os.sep, "/")
                if name.endswith(ENDINGS) and name not in LEFT_OUT_FILES:
                    with open(path, "rb") as opened:
                        files[name] = opened.read()
    return dict(sorted(files.items()))


def byte_code(name, source):
    """A .pyc that is never checked against its source."""
    external = importlib._bootstrap_external
    code = compile(source, f"{HOME}/{name}", "exec", dont_inherit=True)
    digest = _imp.source_hash(external._RAW_MAGIC_NUMBER, source)
    return bytes(external._code_to_hash_pyc(code, digest, False))


def write_library(folder, files):
    if os.path.exists(folder):
        shutil.rmtree(folder)
    for name, content in files.items():
        path = os.path.join(folder, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        if name not in SOURCE_LEFT_OUT:
            write(path, content)
        if name.endswith(".py"):
            write(path + "c", byte_code(name, content))


def write(path, content):
    with open(path, "wb") as file:
        file.write(content)


def write_frozen(path, files):
    table = []
    lines = ['#include "shim.h"', ""]
    for number, file in enumerate(FROZEN):
        module = file.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
        package = int(file.endswith("/__init__.py"))
        code = marshal.dumps(compile(files[file], f"<frozen {module}>", "exec", dont_inherit=True))
        lines.append(f"static const unsigned char module_{number}[] = {{{','.join(map(str, code))}}};")
        table.append(f'    {{"{module}", module_{number}, sizeof module_{number}, {package}}},')
    lines += ["", "const struct _frozen eryx_frozen_modules[] = {", *table, "    {0}};", ""]
    with open(path, "w", encoding="ascii") as out:
        out.write("\n".join(lines))


def main():
    output, *folders = sys.argv[1:]
    files = collect(folders)
    write_library(os.path.join(output, "library"), files)
    write_frozen(os.path.join(output, "frozen.c"), files)


main()
