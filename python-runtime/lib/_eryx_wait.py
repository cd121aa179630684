"""Waits for operations of the host: the one place where the guest stops."""

import time

import _eryx

# Nanoseconds; some three hundred years.
FOREVER = 2**63

# What to call when an operation has finished, or the future that then ends.
_waiting = {}
_futures = {}

# What waits in place of `poll`, and what in place of C code that waits.
_meanwhile = (None, None)


def meanwhile():
    """The two functions that `use_meanwhile` was told."""
    return _meanwhile


def use_meanwhile(python, c):
    """Have `python(timeout)` called in place of `poll`, and `c(timeout)` where C code
    waits: in `time.sleep`, for a lock."""
    global _meanwhile
    _meanwhile = python, c
    _eryx.use_meanwhile(c)


def is_waiting():
    """Whether anybody is told of an operation that has yet to finish."""
    return bool(_waiting or _futures)


def register(operation, callback):
    """Have `callback()` called, once, when `operation` has finished."""
    _waiting[operation] = callback


# `settle(operation, future)`: have `future` end, if it has not, when `operation` has
# finished.
settle = _futures.__setitem__


def forget(operation):
    """Give `operation` up."""
    _waiting.pop(operation, None)
    _futures.pop(operation, None)
    _eryx.cancel(operation)


def give_up_all():
    """No operation will ever finish: call those who registered, who will find
    that out."""
    while _futures:
        _, future = _futures.popitem()
        future.done() or future.set_result(None)
    while _waiting:
        _, callback = _waiting.popitem()
        callback()


def poll(timeout):
    """Wait at most `timeout` seconds (None: without end) for operations, and
    call those who registered."""
    instead, _ = _meanwhile
    if instead is not None:
        instead(timeout)
        return
    if timeout is None:
        nanoseconds = FOREVER
    elif timeout > 0:
        # No less than asked: a timer must be due when this returns.
        nanoseconds = int(min(timeout * 1e9 + 1, FOREVER))
    elif _waiting or _futures:
        nanoseconds = 0
    else:
        return
    for operation in _eryx.wait(nanoseconds, _futures):
        callback = _waiting.pop(operation, None)
        if callback is not None:
            callback()


def wait(operation, timeout=None):
    """Wait for one operation; others that finish meanwhile are seen to. Returns
    whether it has finished in time; if not, it goes on."""
    finished = []
    register(operation, lambda: finished.append(True))
    end = None if timeout is None else time.monotonic() + timeout
    while not finished:
        left = None if end is None else end - time.monotonic()
        if left is not None and left <= 0:
            poll(0)
            if not finished:
                del _waiting[operation]
            return bool(finished)
        poll(left)
    return True
