"""Turns a program's result into text."""

import json
import sys

# What a program makes of `builtins` is nothing to who describes how it ended.
from builtins import isinstance, len, repr, str, type

from _eryx_stop import is_stop


def describe(value, limit):
    """`(is JSON, text, was cut)`, or None if there is no result."""
    if value is None:
        return None
    text = _as_json(value)
    if text is not None and len(text) <= limit:
        return True, text, False
    text = safe_text(_repr(value))
    return False, cut(text, limit), len(text.encode()) > limit


def safe_text(text):
    """`text` with lone surrogates escaped: they cannot leave as UTF-8."""
    return str.encode(text, "utf-8", "backslashreplace").decode()


def head(text, length):
    """At most so many characters of `text`, whose class may be the program's, as `str`."""
    return str.__getitem__(text, slice(length))


def cut(text, limit):
    """At most `limit` bytes of `text` as UTF-8, whole characters only."""
    return head(text, limit).encode()[:limit].decode(errors="ignore")


def _as_json(value):
    try:
        # ASCII only: one byte a character, and lone surrogates survive.
        return _with_all_digits(lambda: json.dumps(value, allow_nan=False))
    except MemoryError:
        raise
    except Exception as error:
        if is_stop(error):
            raise
        return None


def _repr(value):
    try:
        return _with_all_digits(lambda: repr(value))
    except MemoryError:
        raise
    except Exception as error:
        if is_stop(error):
            raise
        kind = type(value).__qualname__
        return f"<{kind} object whose repr raised {type(error).__name__}>"


def _with_all_digits(function):
    """Integers have all their digits: they cost the run's own time."""
    try:
        return function()
    except ValueError:
        limit = sys.get_int_max_str_digits()
        if limit == 0:
            raise
    sys.set_int_max_str_digits(0)
    try:
        return function()
    finally:
        sys.set_int_max_str_digits(limit)
