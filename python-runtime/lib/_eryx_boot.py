"""What happens once, when the runtime is built: the interpreter that all
programs start from is filled with the library and then frozen."""

import _eryx_archive

# What most programs import. Each costs room in the image, none costs time at
# the start of a run: pages that nobody touches are never loaded.
PRELOADED = """
    abc argparse array ast asyncio base64 bisect calendar cmath codecs
    collections collections.abc colorsys concurrent.futures contextlib
    contextvars copy copyreg csv dataclasses datetime decimal difflib dis email
    email.message enum fnmatch fractions functools gc glob graphlib gzip hashlib
    heapq hmac html html.parser http http.client importlib importlib.metadata
    importlib.resources importlib.util inspect io ipaddress itertools json
    keyword linecache locale logging math mimetypes numbers operator os os.path
    pathlib pickle pkgutil platform pprint queue random re secrets select
    selectors shlex shutil signal socket sqlite3 stat statistics string
    stringprep struct subprocess sys tempfile textwrap threading time timeit
    token tokenize traceback types typing unicodedata unittest unittest.mock
    urllib.error urllib.parse urllib.request uuid warnings weakref
    xml.etree.ElementTree zipfile zlib zoneinfo bz2 lzma tarfile
""".split()


def start():
    """Load everything and return the function that runs programs."""
    _eryx_archive.install()

    import site

    site.main()

    import importlib

    for name in PRELOADED:
        importlib.import_module(name)
    _warm_up()

    import _eryx_loop
    import _eryx_run

    _eryx_loop.install()
    _freeze()
    return _eryx_run.execute


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
