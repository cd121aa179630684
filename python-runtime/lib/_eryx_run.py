"""Runs a program as `__main__` and tells how it ended."""

import ast
import asyncio
import atexit
import collections
import inspect
import itertools
import linecache
import logging
import opcode
import os
import random
import sys

import _eryx
import _eryx_calls
import _eryx_report
import _eryx_result
import _eryx_trace

FLAGS = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT

_started = False

# What every program has in its environment.
_BASE = {"HOME": "/home/user"}
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
    if environment or os.environ != _BASE:
        os.environ.clear()
        os.environ.update(_BASE)
        os.environ.update(environment)
    if callbacks or _eryx_calls.list_callbacks():
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
    for name, descriptor in (("stdout", 1), ("stderr", 2)):
        stream = getattr(sys, name, None)
        if not were_open or stream is None or getattr(stream, "closed", False):
            # What the old one could not write must not be written now.
            _abandoned.append(stream)
            stream = open(descriptor, "w", encoding="utf-8", closefd=False)
            setattr(sys, name, stream)
            setattr(sys, f"__{name}__", stream)


def _run(source, filename, namespace, result_variable, lasting):
    if result_variable is not None:
        _evaluate([compile(source, filename, "exec", FLAGS, True)], namespace, lasting)
        if result_variable not in namespace:
            raise NameError(f"name {result_variable!r} is not defined", name=result_variable)
        return namespace[result_variable]
    return _evaluate(_compile(source, filename), namespace, lasting)


_STORES = {opcode.opmap[name] for name in ("STORE_NAME", "STORE_GLOBAL", "DELETE_NAME")}
_POP_TOP = opcode.opmap["POP_TOP"]
_RETURN_CONST = opcode.opmap["RETURN_CONST"]
_RETURN_VALUE = opcode.opmap["RETURN_VALUE"]


def _compile(source, filename):
    """Code objects to run one after the other, of which the last returns the
    value of the last statement if that is an expression."""
    code = compile(source, filename, "exec", FLAGS, True)
    returning = _returning_value(code, source)
    if returning is not None:
        return [returning]
    tree = compile(source, filename, "exec", FLAGS | ast.PyCF_ONLY_AST, True)
    if not tree.body or not isinstance(tree.body[-1], ast.Expr):
        return [code]
    last = ast.Expression(tree.body.pop().value)
    return [
        compile(tree, filename, "exec", FLAGS, True),
        compile(last, filename, "eval", FLAGS, True),
    ]


def _returning_value(code, source):
    """`code`, changed to return its last statement's value, or as it is if that
    is no expression. None if the byte code does not show plainly which: then
    the syntax tree, which costs as much as all the rest, has to tell."""
    raw = code.co_code
    operations = raw[::2]
    if operations.count(_RETURN_CONST) != 1:
        return None
    end = operations.index(_RETURN_CONST)
    if operations[end - 1] == _POP_TOP and operations[end - 2] not in _STORES:
        # A value is dropped, and no import's. If what made it begins a line, it
        # is a statement of the module and not of a block in it.
        _, _, column, _ = next(itertools.islice(code.co_positions(), end - 1, end))
        if column == 0:
            changed = bytes((_RETURN_VALUE, 0))
            return code.replace(co_code=raw[: 2 * end - 2] + changed + raw[2 * end :])
    elif operations[end - 1] in _STORES and _ends_in_store(code, source, end):
        return code
    return None


def _ends_in_store(code, source, end):
    """Whether the module's last statement is the one that stores.

    A constant leaves no instruction, but its line stands against the module's
    return. Two statements on a line can hide one, as can an assignment
    expression; a text alone is the module's docstring and its value.
    """
    positions = itertools.islice(code.co_positions(), end - 1, end + 1)
    (stored, *_), (returned, *_) = positions
    return (
        stored == returned
        and code.co_names[code.co_code[2 * end - 1]] != "__doc__"
        and ";" not in source
        and ":=" not in source
    )


# The loop of a session: its tasks go on whenever a program awaits.
_runner = None


def stop_tasks():
    """End the session's loop and what runs in it."""
    global _runner
    runner, _runner = _runner, None
    if runner is not None:
        runner.close()


def _evaluate(codes, namespace, lasting):
    global _runner
    if any(code.co_flags & inspect.CO_COROUTINE for code in codes):
        if lasting:
            if _runner is None:
                _runner = asyncio.Runner()
            return _runner.run(_evaluate_async(codes, namespace))
        with asyncio.Runner() as runner:
            return runner.run(_evaluate_async(codes, namespace))
    value = None
    for code in codes:
        value = eval(code, namespace)
    return value


async def _evaluate_async(codes, namespace):
    value = None
    for code in codes:
        value = eval(code, namespace)
        if code.co_flags & inspect.CO_COROUTINE:
            value = await value
    return value


def _end(lasting):
    """What CPython does when a script is through."""
    if not lasting and atexit._ncallbacks():
        atexit._run_exitfuncs()
    _flush()


def _flush():
    """Like CPython, do without a stream that was closed or set to None."""
    for stream in (sys.stdout, sys.stderr):
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
