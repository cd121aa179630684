"""Describes an exception that nobody caught."""

import sys
import traceback

from _eryx_result import cut, safe_text

# Deep recursion has thousands of frames: the outermost and innermost tell.
OUTER_FRAMES = INNER_FRAMES = 100


def describe(error, runner_globals, limit):
    """`(type, message, frames, traceback)` for the C shim."""
    error.__traceback__ = _without_runner(error.__traceback__, runner_globals)
    try:
        return _describe(error, limit)
    except MemoryError:
        kind = type(error).__qualname__
        return kind, "", [], f"{kind}: (no memory was left to say more)\n"


def _describe(error, limit):
    report = traceback.TracebackException.from_exception(error, compact=True)
    _shorten(report, limit)
    message = _text(report._str, limit)
    return _type_name(type(error)), message, _frames(report.stack, limit), _format(error, report, limit)


def _text(text, limit):
    return cut(safe_text(text[:limit]), limit)


def _type_name(kind):
    name = kind.__qualname__
    if kind.__module__ in ("builtins", "__main__"):
        return safe_text(name)
    return safe_text(f"{kind.__module__}.{name}")


def _without_runner(tb, runner_globals):
    """The traceback from the program's first frame on. An error before that,
    in compiling the program, has no frames at all."""
    program = sys.modules["__main__"].__dict__ if "__main__" in sys.modules else None
    first = tb
    while first is not None and first.tb_frame.f_globals is not program:
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


def _frames(stack, limit):
    frames = list(stack)
    if len(frames) > OUTER_FRAMES + INNER_FRAMES:
        frames = frames[:OUTER_FRAMES] + frames[-INNER_FRAMES:]
    return [
        (
            _text(frame.filename, limit),
            frame.lineno or 0,
            _text(frame.name, limit),
            _text(frame.line or "", limit),
        )
        for frame in frames
    ]


def _format(error, report, limit):
    """What CPython would have printed. A program's own `sys.excepthook` prints
    it itself."""
    if sys.excepthook is not sys.__excepthook__:
        try:
            sys.excepthook(type(error), error, error.__traceback__)
            return ""
        except Exception:
            pass
    pieces = []
    room = limit
    for piece in report.format():
        piece = _text(piece, room)
        pieces.append(piece)
        room -= len(piece.encode())
        if room <= 0:
            break
    return "".join(pieces)
