"""Describes an exception that nobody caught."""

import sys
import traceback

from _eryx_result import cut, safe_text

# Deep recursion has thousands of frames: the outermost and innermost tell.
OUTER_FRAMES = INNER_FRAMES = 100

# Exceptions in a chain, the uncaught one included, and notes of each.
LONGEST_CHAIN = 17
MOST_NOTES = 100

# All texts of an exception and those behind it may have so many times the bytes of
# a traceback. The host takes no more.
TIMES_A_TRACEBACK = 16

# The interface's enum `link`.
_UNCAUGHT, _CAUSE, _CONTEXT = range(3)


# CPython's own: programs may set others.
_hook = sys.__excepthook__

_program = sys.modules["__main__"].__dict__

_MISSING = object()


def describe(error, runner_globals, limit):
    """`([(link, type, message, frames, notes), ...], traceback)` for the C shim.
    What the program's own hook raises to exit is raised."""
    tb = _without_runner(BaseException.__traceback__.__get__(error), runner_globals)
    # By the base class: the exception's own may let nothing be set.
    BaseException.with_traceback(error, tb)
    before, is_told = _ask_hook(error, tb, limit)
    chain, text = _safely(error, limit)
    return chain, "" if is_told else cut(before + text, limit)


class _Room:
    """How many bytes a text may have, and all that are to come."""

    def __init__(self, limit):
        self._each = limit
        self._left = limit * TIMES_A_TRACEBACK

    def text(self, text):
        text = _text(text, min(self._each, self._left))
        self._left -= len(text.encode())
        return text


def _safely(error, limit):
    try:
        return _describe(error, limit)
    except MemoryError:
        kind = _text(type(error).__qualname__, limit)
        return [(_UNCAUGHT, kind, "", [], [])], f"{kind}: (no memory was left to say more)\n"
    except BaseException:
        return plain(error, limit)


def plain(error, limit):
    """The same of an exception whose own class is in the way, or in a runner that
    the program has broken."""
    room = _Room(limit)
    kind = room.text(type(error).__name__)
    try:
        message = room.text(str(error))
    except BaseException:
        message = "<exception str() failed>"
    try:
        stack = traceback.extract_tb(BaseException.__traceback__.__get__(error))
        frames, lines = _frames(stack, room), stack.format()
    except BaseException:
        frames, lines = [], []
    head = ["Traceback (most recent call last):\n"] if lines else []
    last = f"{kind}: {message}\n" if message else f"{kind}\n"
    return [(_UNCAUGHT, kind, message, frames, [])], _join([*head, *lines, last], limit)


def _ask_hook(error, tb, limit):
    """What CPython says before the traceback, and whether the program's own
    `sys.excepthook` tells of the exception itself."""
    hook = getattr(sys, "excepthook", _MISSING)
    if hook is _hook:
        return "", False
    if hook is _MISSING:
        return "sys.excepthook is missing\n", False
    try:
        hook(type(error), error, tb)
        return "", True
    except SystemExit:
        raise
    except BaseException as another:
        BaseException.with_traceback(another, another.__traceback__.tb_next)
        _, text = _safely(another, limit)
        return f"Error in sys.excepthook:\n{text}\nOriginal exception was:\n", False


def _describe(error, limit):
    report = traceback.TracebackException.from_exception(error, compact=True)
    _shorten(report, limit)
    return list(_chain(report, _Room(limit))), _join(report.format(), limit)


def _chain(report, room):
    """The exception and those behind it, the nearest first."""
    link = _UNCAUGHT
    for _ in range(LONGEST_CHAIN):
        notes = report.__notes__ if isinstance(report.__notes__, (list, tuple)) else []
        yield (
            link,
            room.text(_type_name(report._exc_type)),
            room.text(report._str),
            _frames(report.stack, room),
            [room.text(note) for note in notes[:MOST_NOTES] if isinstance(note, str)],
        )
        if report.__cause__ is not None:
            link, report = _CAUSE, report.__cause__
        elif report.__context__ is not None and not report.__suppress_context__:
            link, report = _CONTEXT, report.__context__
        else:
            return


def _text(text, limit):
    return cut(safe_text(text[:limit]), limit)


def _type_name(kind):
    name = kind.__qualname__
    if kind.__module__ in ("builtins", "__main__"):
        return name
    return f"{kind.__module__}.{name}"


def _without_runner(tb, runner_globals):
    """The traceback from the program's first frame on. An error before that,
    in compiling the program, has no frames at all."""
    first = tb
    while first is not None and first.tb_frame.f_globals is not _program:
        first = first.tb_next
    if first is not None:
        return first
    while tb is not None and tb.tb_frame.f_globals is runner_globals:
        tb = tb.tb_next
    return tb


def _shorten(report, limit):
    """Cut messages before they are copied into the traceback's text."""
    seen = set()
    todo = [report]
    while todo:
        one = todo.pop()
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        if isinstance(one._str, str) and len(one._str) > limit:
            one._str = one._str[:limit]
        todo += [one.__cause__, one.__context__, *(one.exceptions or ())]


def _frames(stack, room):
    frames = list(stack)
    if len(frames) > OUTER_FRAMES + INNER_FRAMES:
        frames = frames[:OUTER_FRAMES] + frames[-INNER_FRAMES:]
    return [
        (
            room.text(frame.filename),
            frame.lineno or 0,
            room.text(frame.name),
            room.text(frame.line or ""),
        )
        for frame in frames
    ]


def _join(pieces, limit):
    """What CPython would have printed, as much as fits."""
    fitting = []
    room = limit
    for piece in pieces:
        piece = _text(piece, room)
        fitting.append(piece)
        room -= len(piece.encode())
        if room <= 0:
            break
    return "".join(fitting)
