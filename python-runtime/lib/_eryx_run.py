"""Runs a program as `__main__` and tells how it ended."""

import _imp
import asyncio
import atexit
import collections
import contextvars
import inspect
import io
import linecache
import logging
import os
import sys

import _eryx
import _eryx_calls
import _eryx_report
import _eryx_result
import _eryx_trace
from _eryx_stop import is_stop

_started = False
_has_chance = False

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
    failure = None
    is_over = False
    try:
        try:
            _begin(entropy, started)
            _world(environment, callbacks, calls_in_flight, extensions)
            _eryx.watch(stoppable)
            if trace:
                _eryx_trace.begin(trace)
            namespace = _main_module(source, filename, lasting)
            sys.argv = argv
            value = _run(source, filename, namespace, result_variable, lasting)
            is_over = True
            if not _end(lasting):
                return "exited", _LOST_OUTPUT
            return "finished", _eryx_result.describe(value, result_limit)
        except BaseException as error:
            failure = error
        # Not while it is handled: nothing of what follows has to do with it.
        return _ended(failure, lasting, is_over, traceback_limit)
    finally:
        failure = None
        if trace:
            _eryx_trace.end()
        if lasting:
            main_module()


def _begin(entropy, started):
    """Give this instance what no two instances may share."""
    global _started
    if not _started:
        _started = True
        logging._startTime = started
        if not _has_chance:
            _eryx.seed_random(entropy)


def has_chance():
    """What `random` has is a state that was saved: the first program keeps it."""
    global _has_chance
    _has_chance = True


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


_main = sys.modules["__main__"]
_modules = {}


def keep_modules():
    """What is loaded now is what programs start with."""
    _modules.update(sys.modules)


def main_module():
    """The program's module. Who removes it takes the others with it, mostly: those
    that were there at the start are there again."""
    if sys.modules.get("__main__") is not _main:
        sys.modules["__main__"] = _main
        for name, module in _modules.items():
            sys.modules.setdefault(name, module)
    return _main


def _main_module(source, filename, lasting):
    has_no_file = filename.startswith("<")
    if lasting or has_no_file:
        _keep_source(source, filename)
    if lasting:
        _open_streams()
    namespace = main_module().__dict__
    if has_no_file:
        namespace.pop("__file__", None)
    else:
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
    except Exception:
        # A stream that was deleted, set to None, detached, or is the program's own.
        pass
    for name, descriptor in (("stdout", 1), ("stderr", 2)):
        stream = getattr(sys, name, None)
        if not were_open or stream is None or _is_useless(stream):
            # What the old one could not write must not be written now.
            _abandoned.append(stream)
            stream = _new_stream(descriptor, f"<{name}>")
            setattr(sys, name, stream)
            setattr(sys, f"__{name}__", stream)


def _is_useless(stream):
    try:
        return getattr(stream, "closed", False)
    except ValueError:
        # What it wrote to was detached.
        return True
    except Exception:
        return False


def _new_stream(descriptor, name):
    """As CPython makes its own at the start."""
    raw = open(descriptor, "wb", buffering=0, closefd=False)
    raw.name = name
    errors = "strict" if descriptor == 1 else "backslashreplace"
    stream = io.TextIOWrapper(raw, "utf-8", errors, newline="\n", write_through=True)
    stream.mode = "w"
    return stream


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


# The loop of a session: its tasks go on whenever a program awaits. All programs have one
# context.
_runner = None
_context = None


def has_tasks():
    """Whether the session has a loop."""
    return _runner is not None


def stop_tasks():
    """End the session's loop and what runs in it."""
    global _runner, _context
    runner, _runner, _context = _runner, None, None
    if runner is not None:
        runner.close()


def _evaluate(code, namespace, lasting):
    running = eval(code, namespace)
    if not code.co_flags & inspect.CO_COROUTINE:
        return
    if lasting:
        _await(running)
        return
    with asyncio.Runner() as runner:
        runner.run(running)


def _await(coroutine):
    """As `Runner.run`, without what that does each time for signals from outside."""
    global _runner, _context
    if _runner is None:
        _runner, _context = asyncio.Runner(), contextvars.copy_context()
    loop = _runner.get_loop()
    task = loop.create_task(coroutine, context=_context)
    loop.run_until_complete(task)


# CPython's exit status if something could not be written at the end.
_LOST_OUTPUT = 120


def _end(lasting):
    """What CPython does when a script is through; false if output is lost."""
    if lasting:
        _eryx.flush_streams(True)
        return True
    if atexit._ncallbacks():
        atexit._run_exitfuncs()
    return _eryx.flush_streams(False)


def _ended(error, lasting, is_over, limit):
    """The answer for a program that did not come to its end, or not beyond."""
    _eryx.open_reserve()
    try:
        # Its own attributes may be whatever the program likes.
        if issubclass(type(error), SystemExit):
            return "exited", _exit(error, lasting)
        report = _eryx_report.describe(error, globals(), limit)
        if not is_over:
            _end(lasting)
        return "raised", report
    except SystemExit as request:
        # Of the program's own `sys.excepthook`.
        return _ended(request, lasting, is_over, limit)
    except BaseException as another:
        # It was asked to end, or has broken what is used here.
        return "raised", _eryx_report.plain(another, limit)


def _exit(request, lasting):
    """The exit status that `sys.exit` asked for, after the rules of CPython."""
    try:
        code = request.code
    except Exception as error:
        if is_stop(error):
            raise
        code = request
    if code is not None and not isinstance(code, int):
        _print_error(code)
        code = 1
    if not _end(lasting):
        code = _LOST_OUTPUT
    # A process keeps eight bits; what fits 32 is passed on as it is.
    code = int(code or 0)
    return code if -(2**31) <= code < 2**31 else code & 0xFF


def _print_error(value):
    """Print it as CPython does, to whatever the program has in stderr's place."""
    stream = getattr(sys, "stderr", None)
    if stream is None:
        stream = _new_stream(2, "<stderr>")
    for part in (value, "\n"):
        try:
            print(part, end="", file=stream)
        except BaseException as error:
            if is_stop(error):
                raise
