"""Runs one module of CPython's own test suite inside the sandbox and prints what
came of it as JSON, after what the tests print themselves.

Arguments: the module, then what is left out: patterns of tests, and after
`raises:` texts of errors that tests may end in, as a sandbox must.
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

NOT_FOR_WASI = {"test.test_selectors", "test.test_urllib_response"}


def keep(suite, chosen):
    """A suite of suites like this one, with the chosen tests only.

    One with all tests at once would call them with fewer frames on the stack, which
    the tests of tracemalloc count.
    """
    kept = unittest.TestSuite()
    for test in suite:
        if isinstance(test, unittest.TestSuite):
            kept.addTest(keep(test, chosen))
        elif chosen(test):
            kept.addTest(test)
    return kept


class Result(unittest.TextTestResult):
    """Counts what passed, which a result does not."""

    passed = 0

    def addSuccess(self, test):
        super().addSuccess(test)
        self.passed += 1


def main(module, *left_out):
    expected = [text.removeprefix("raises:") for text in left_out if text.startswith("raises:")]
    # Of some modules only the name of the platform keeps the tests from running.
    support.is_wasi = module not in NOT_FOR_WASI

    def is_chosen(test):
        return not any(fnmatch.fnmatchcase(test.id(), f"*{pattern}*") for pattern in left_out)

    whole = unittest.defaultTestLoader.loadTestsFromName(module)
    suite = keep(whole, is_chosen)
    # Counted before: a suite lets go of each test that it has run.
    omitted = whole.countTestCases() - suite.countTestCases()
    result = unittest.TextTestRunner(stream=sys.stderr, verbosity=0, resultclass=Result).run(suite)
    failed = {test.id(): text for test, text in result.failures + result.errors}
    failed.update((test.id(), "did not fail") for test in result.unexpectedSuccesses)
    refused = [name for name, text in failed.items() if any(part in text for part in expected)]
    for name in refused:
        del failed[name]
    # Parts of one test are one.
    omitted += len({name.partition(" ")[0] for name in refused})
    report = {
        "passed": result.passed,
        "omitted": omitted,
        "failed": {name: text[-2000:] for name, text in failed.items()},
        "skipped": {test.id(): reason for test, reason in result.skipped},
    }
    # A test that was refused may have left its own stream there.
    print("\n" + json.dumps(report), file=sys.__stdout__)


main(*sys.argv[1:])
