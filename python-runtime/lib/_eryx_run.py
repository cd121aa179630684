"""Runs a program as `__main__` and tells how it ended."""

import _imp
import asyncio
import atexit
import collections
import inspect
import linecache
import logging
import os
import random
import sys

import _eryx
import _eryx_calls
import _eryx_report
import _eryx_result
import _eryx_trace

_started = False

# What every program has in its environment.
_BASE = {"HOME": "/home/user"}
_environ = os.environ
_base = {name.encode(): value.encode() for name, value in _BASE.items()}

_extensions = ()


class ProgramLoader:
    """Lets `linecache`, `inspect` and `pickle` find the program's source."""

    def __init__(self, filename, source):
        self._filename = filename
        self._source = source

    def get_source(self, fullname):
        return self._source

    def get_filename(self, fullname):
        return self._filename


def execute(
    source,
    filename,
    argv,
    result_variable,
    entropy,
    started,
    environment,
    callbacks,
    calls_in_flight,
    extensions,
    stoppable,
    lasting,
    trace,
    result_limit,
    traceback_limit,
):
    """Run `source`; the answer is `(kind, details)` for the C shim."""
    try:
        _begin(entropy, started)
        _world(environment, callbacks, calls_in_flight, extensions)
        _eryx.watch(stoppable)
        if trace:
            _eryx_trace.begin(trace)
        namespace = _main_module(source, filename, lasting)
        sys.argv = argv
        value = _run(source, filename, namespace, result_variable, lasting)
        _end(lasting)
        return "finished", _eryx_result.describe(value, result_limit)
    except SystemExit as request:
        return "exited", _exit(request, lasting)
    except BaseException as error:
        _eryx.open_reserve()
        try:
            _flush()
        except OSError:
            pass
        return "raised", _eryx_report.describe(error, globals(), traceback_limit)
    finally:
        if trace:
            _eryx_trace.end()


def _begin(entropy, started):
    """Give this instance what no two instances may share."""
    global _started
    if not _started:
        _started = True
        # Always as many digits, so that it always takes as many instructions.
        random.seed(int.from_bytes(b"\1" + entropy))
        logging._startTime = started


def _world(environment, callbacks, calls_in_flight, extensions):
    """Show the program what it has around it."""
    global _extensions
    os.environ = _environ
    # Its own comparison takes longer than many a program.
    if environment or _environ._data != _base:
        _environ.clear()
        _environ.update(_BASE)
        _environ.update(environment)
    _eryx_calls.install(callbacks, calls_in_flight)
    _extensions = extensions


def has_extension(package):
    """Whether the host has these interfaces."""
    return package in _extensions


def _main_module(source, filename, lasting):
    if lasting:
        _keep_source(source, filename)
        _open_streams()
    namespace = sys.modules["__main__"].__dict__
    namespace["__file__"] = filename
    namespace["__loader__"] = ProgramLoader(filename, source)
    return namespace


# How many programs' sources a session keeps for its tracebacks.
_MOST_SOURCES = 200

_sources = collections.deque()


def _keep_source(source, filename):
    """Functions outlive the program that defined them: tracebacks need its text."""
    lines = source.splitlines(keepends=True)
    linecache.cache[filename] = len(source), None, lines, filename
    _sources.append(filename)
    if len(_sources) > _MOST_SOURCES:
        linecache.cache.pop(_sources.popleft(), None)


_abandoned = []


def _open_streams():
    """What an earlier program closed is open again."""
    were_open = _eryx.open_streams()
    try:
        if were_open and not sys.stdout.closed and not sys.stderr.closed:
            return
    except AttributeError:
        # A stream that was deleted, set to None, or is the program's own.
        pass
    for name, descriptor in (("stdout", 1), ("stderr", 2)):
        stream = getattr(sys, name, None)
        if not were_open or stream is None or getattr(stream, "closed", False):
            # What the old one could not write must not be written now.
            _abandoned.append(stream)
            stream = open(descriptor, "w", encoding="utf-8", closefd=False)
            setattr(sys, name, stream)
            setattr(sys, f"__{name}__", stream)


# Where compiled programs leave the value of their last expression.
_VALUE = "<value>"


def _run(source, filename, namespace, result_variable, lasting):
    code = _compiled_before(source, filename) if lasting else _eryx.compile(source, filename)
    _evaluate(code, namespace, lasting)
    value = namespace.pop(_VALUE, None)
    if result_variable is None:
        return value
    if result_variable not in namespace:
        raise NameError(f"name {result_variable!r} is not defined", name=result_variable)
    return namespace[result_variable]


# A session's short programs, those that came last at the end: who sends one
# again does not pay for its compilation again.
_MOST_CODES = 64
_LONGEST_SOURCE = 4096
_codes = {}


def _compiled_before(source, filename):
    code = _codes.pop(source, None)
    if code is None:
        code = _eryx.compile(source, filename)
    else:
        # Tracebacks name the run that goes on, also those of functions that an
        # earlier one has defined by the same text.
        _imp._fix_co_filename(code, filename)
    if len(source) <= _LONGEST_SOURCE:
        _codes[source] = code
        if len(_codes) > _MOST_CODES:
            del _codes[next(iter(_codes))]
    return code


# The loop of a session: its tasks go on whenever a program awaits.
_runner = None


def stop_tasks():
    """End the session's loop and what runs in it."""
    global _runner
    runner, _runner = _runner, None
    if runner is not None:
        runner.close()


def _evaluate(code, namespace, lasting):
    global _runner
    running = eval(code, namespace)
    if not code.co_flags & inspect.CO_COROUTINE:
        return
    if not lasting:
        with asyncio.Runner() as runner:
            runner.run(running)
        return
    if _runner is None:
        _runner = asyncio.Runner()
    _runner.run(running)


def _end(lasting):
    """What CPython does when a script is through."""
    if not lasting and atexit._ncallbacks():
        atexit._run_exitfuncs()
    _flush()


def _flush():
    """Like CPython, do without a stream that was closed or set to None."""
    # The program may have put others in the place of the first two.
    for stream in (sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__):
        if stream is not None and not getattr(stream, "closed", False):
            stream.flush()


def _exit(request, lasting):
    """The exit status that `sys.exit` asked for, after the rules of CPython."""
    code = request.code
    if code is not None and not isinstance(code, int):
        print(code, file=sys.stderr)
        code = 1
    try:
        _end(lasting)
    except OSError:
        code = 120
    # A process keeps eight bits; what fits 32 is passed on as it is.
    code = int(code or 0)
    return code if -(2**31) <= code < 2**31 else code & 0xFF
