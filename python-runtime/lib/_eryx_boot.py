"""What happens once, when the runtime is built: the interpreter that all
programs start from is filled with the library and then frozen."""

import _eryx_archive

# What most programs import. Each costs room in the image, none costs time at
# the start of a run: pages that nobody touches are never loaded. What is not
# here is imported from the archive, in some milliseconds.
PRELOADED = """
    abc argparse array ast asyncio base64 bisect bz2 calendar cmath codecs
    collections collections.abc contextlib contextvars copy copyreg csv
    dataclasses datetime decimal difflib enum fnmatch fractions functools gc
    glob graphlib gzip hashlib heapq hmac html importlib importlib.util inspect
    io ipaddress itertools json keyword linecache logging lzma math numbers
    operator os os.path pathlib pickle platform pprint queue random re secrets
    select selectors shlex shutil signal socket sqlite3 stat statistics string
    struct subprocess sys tempfile textwrap threading time token tokenize
    traceback types typing unicodedata urllib.error urllib.parse uuid warnings
    weakref xml.etree.ElementTree zlib zoneinfo
""".split()


# Where the host mounts packages, if it has any.
SITE_PACKAGES = "/usr/lib/python3.13/site-packages"


def start():
    """Load everything and return the function that runs programs."""
    _eryx_archive.install()

    import site

    site.main()

    import importlib

    import _eryx_select

    _eryx_select.install()
    for name in PRELOADED:
        importlib.import_module(name)
    _warm_up()

    import os
    import random
    import signal
    import sys

    import eryx
    import _eryx
    import _eryx_calls
    import _eryx_image
    import _eryx_loop
    import _eryx_run
    import _eryx_state
    import _eryx_stop

    sys.path.append(SITE_PACKAGES)
    os.environ.clear()
    os.environ.update(_eryx_run._BASE)
    _eryx.use_random(random._inst)
    _eryx.use_stop(_eryx_stop.ask)
    signal.signal(signal.SIGXCPU, _eryx.raise_stop)
    _eryx_calls.announce()
    _eryx_loop.install()
    _leave_out_loaded()
    _eryx_run.keep_modules()
    _rehearse(_eryx_run)
    _freeze()
    return _eryx_run.execute


def _leave_out_loaded():
    """The byte code of what is in memory already: it would only be read again by
    `importlib.reload`, which then compiles the source."""
    import sys
    import zipimport

    base = _eryx_archive.ARCHIVE + "/"
    origins = [
        module.__spec__.origin
        for module in sys.modules.values()
        if isinstance(getattr(module, "__loader__", None), zipimport.zipimporter)
    ]
    _eryx_archive.leave_out({name.removeprefix(base) for name in origins if name.endswith(".pyc")})


# What programs commonly do. Running it specialises the byte code of the library
# and the runner: later runs find it as it will stay and change no page of it.
REHEARSAL = """
import json, re, sys
from collections import Counter, defaultdict
from dataclasses import dataclass

@dataclass
class Item:
    name: str
    price: float = 1.5

def total(items):
    return sum(item.price for item in items)

data = json.loads('{"items": [{"name": "a", "price": 2.5}, {"name": "b"}]}')
items = [Item(**entry) for entry in data["items"]]
counts = Counter(word.lower() for word in re.findall(r"[a-z]+", "The quick the"))
groups = defaultdict(list)
for item in items:
    groups[item.name].append(item)
print(json.dumps({"total": total(items), "counts": counts}), f"{total(items):.2f}")
print(", ".join(sorted(groups)), file=sys.stderr)
try:
    {}["missing"]
except KeyError as error:
    pass
"""

REHEARSALS = (
    REHEARSAL,
    REHEARSAL + "total(items)",
    "x=1",
    "print('hi')",
    "import asyncio\nasync def f(n):\n    await asyncio.sleep(0)\n    return n\n"
    "await asyncio.gather(f(1), f(2))",
    "import asyncio\nasync def main():\n    return 1\nasyncio.run(main())",
    "def f():\n    raise ValueError('x')\nf()",
    "if x\n",
    "import sys\nsys.exit(3)",
)

# What is commonly saved and restored.
VARIABLES = """
import json
a, b, c, d, e, f, g, h = 0, 1.5, "text", b"bytes", True, None, [1, "a"], {"k": (1, 2)}
def double(n):
    return 2 * n
class Point:
    def __init__(self, x):
        self.x = x
point = Point(1)
"""


# Whose byte code never stops changing while it runs: CPython counts in it.
BUSY = """
    _eryx_run _eryx_result _eryx_calls _eryx_loop _eryx_report _eryx_wait _eryx_state
    _eryx_reduce json json.decoder json.encoder json.scanner
""".split()


def gather():
    """Put what every run changes side by side. The heap has no holes any more:
    what is made now lies together."""
    import sys

    import _eryx_run

    _copy_chance()
    left = [function for name in BUSY for function in _functions_of(sys.modules[name])]
    # What every run changes, what saving and restoring change, and what does not change.
    for do in (
        lambda: _try(_eryx_run, "x=1"),
        _save_and_restore,
        lambda: _try(_eryx_run, VARIABLES, _save_and_restore),
    ):
        changed = _changed(left, do)
        _copy_code(changed)
        left = [function for function in left if function not in changed]
    _copy_code(left)
    main = sys.modules["__main__"].__dict__
    contents = dict(main)
    main.clear()
    main.update(contents)
    _rehearse(_eryx_run)
    _freeze()


def _functions_of(module):
    import types

    for value in list(vars(module).values()):
        if getattr(value, "__module__", None) != module.__name__:
            continue
        for one in list(vars(value).values()) if isinstance(value, type) else [value]:
            if isinstance(one, types.FunctionType):
                yield one


def _changed(functions, do):
    """Those whose byte code has changed since."""
    before = [_counts(function.__code__) for function in functions]
    do()
    return [
        function
        for function, counts in zip(functions, before, strict=True)
        if _counts(function.__code__) != counts
    ]


def _counts(code):
    """The byte code with what CPython counts in it."""
    import types

    inner = [_counts(const) for const in code.co_consts if isinstance(const, types.CodeType)]
    return code._co_code_adaptive, inner


def _copy_code(functions):
    for function in functions:
        function.__code__ = _copy_of(function.__code__)


def _copy_of(code):
    import types

    consts = tuple(
        _copy_of(const) if isinstance(const, types.CodeType) else const for const in code.co_consts
    )
    return code.replace(co_consts=consts)


def _copy_chance():
    """The generator behind the functions of `random`."""
    import random

    import _eryx

    old, random._inst = random._inst, random.Random(0)
    for name, value in list(vars(random).items()):
        if getattr(value, "__self__", None) is old:
            setattr(random, name, getattr(random._inst, name))
    _eryx.use_random(random._inst)


def _rehearse(runner):
    """Run programs as the host will, and leave no trace of them."""
    for _ in range(40):
        for source in REHEARSALS:
            _try(runner, source)
        _try(runner, VARIABLES, _save_and_restore)


def _save_and_restore():
    import _eryx_state

    kind, saved, _ = _eryx_state.save(1 << 20, False, False)
    assert kind == "saved" and _eryx_state.restore(saved) is None


def _try(runner, source, then=lambda: None):
    import io
    import random
    import sys

    main = sys.modules["__main__"].__dict__
    before = dict(main)
    streams = sys.stdout, sys.stderr
    sys.stdout = io.TextIOWrapper(io.BytesIO(), write_through=True)
    sys.stderr = io.TextIOWrapper(io.BytesIO(), write_through=True)
    runner.execute(
        source, "main.py", ["main.py"], None, bytes(32), 0, [], [], 1, [], 0, 0, 0, 1000, 1000
    )
    then()
    main.clear()
    main.update(before)
    sys.stdout, sys.stderr = streams
    sys.argv = [""]
    random.seed(0)
    runner._started = runner._has_chance = False


def _warm_up():
    """Do once what would otherwise be done, lazily, by every program."""
    import io
    import json
    import re
    import traceback

    json.loads(json.dumps({"a": [1, 2.5, None, True, "é"]}))
    json.dumps([1], indent=2)
    re.compile(r"(\w+)\s*=\s*(.*)").match("a = b")
    io.StringIO().write("x")
    try:
        exec(compile("import json\njson.loads('{')", "main.py", "exec"), {})
    except ValueError as error:
        "".join(traceback.format_exception(error))
    "x".encode("ascii").decode("latin-1")
    re.purge()


def _freeze():
    """Leave the heap as the first program should find it: no garbage, and
    nothing for its collections to look at again."""
    import gc
    import linecache
    import sys

    linecache.clearcache()
    sys.path_importer_cache.pop("", None)
    gc.collect()
    gc.freeze()
