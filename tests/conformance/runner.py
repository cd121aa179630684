"""Runs one module of CPython's own test suite inside the sandbox and prints what
came of it as JSON, after what the tests print themselves.

Arguments: the module, then patterns of tests that are left out.
"""

import asyncio
import fnmatch
import json
import sys
import types
import unittest

from test import support
from test.support import socket_helper

# CPython's own WASI has no sockets; this one has.
support.requires_working_socket = lambda *, module=False: None if module else lambda test: test
socket_helper.has_gethostname = True

# Some modules import it for tests of terminals only.
sys.modules["tty"] = types.ModuleType("tty")

# Before each test of loops, child processes are watched; there are none.
asyncio.SafeChildWatcher.attach_loop = lambda self, loop: None
asyncio.set_child_watcher = lambda watcher: None


def flatten(suite):
    for test in suite:
        if isinstance(test, unittest.TestSuite):
            yield from flatten(test)
        else:
            yield test


def main(module, *left_out):
    suite = unittest.defaultTestLoader.loadTestsFromName(module)
    chosen = unittest.TestSuite()
    omitted = 0
    for test in flatten(suite):
        if any(fnmatch.fnmatchcase(test.id(), f"*{pattern}*") for pattern in left_out):
            omitted += 1
        else:
            chosen.addTest(test)
    result = unittest.TextTestRunner(stream=sys.stderr, verbosity=0).run(chosen)
    failed = {test.id(): text for test, text in result.failures + result.errors}
    failed.update((test.id(), "did not fail") for test in result.unexpectedSuccesses)
    report = {
        "ran": result.testsRun,
        "omitted": omitted,
        "failed": {name: text[-2000:] for name, text in failed.items()},
        "skipped": {test.id(): reason for test, reason in result.skipped},
    }
    print("\n" + json.dumps(report))


main(*sys.argv[1:])
