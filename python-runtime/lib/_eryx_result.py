"""Turns a program's result into text."""

import json


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
    return text.encode("utf-8", "backslashreplace").decode()


def cut(text, limit):
    """At most `limit` bytes of `text` as UTF-8, whole characters only."""
    return text[:limit].encode()[:limit].decode(errors="ignore")


def _as_json(value):
    try:
        # ASCII only: one byte a character, and lone surrogates survive.
        return json.dumps(value, allow_nan=False)
    except MemoryError:
        raise
    except Exception:
        return None


def _repr(value):
    try:
        return repr(value)
    except MemoryError:
        raise
    except Exception as error:
        kind = type(value).__qualname__
        return f"<{kind} object whose repr raised {type(error).__qualname__}>"
