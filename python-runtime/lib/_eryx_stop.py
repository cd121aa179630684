"""The host asks the program to end by itself: see docs/decisions/0005-soft-stop.md."""

import _eryx_jobs
import _eryx_loop

MESSAGE = "the program has used up its time"


def is_stop(error):
    """Whether `error` is how the program was asked; it must not get lost."""
    return type(error) is TimeoutError and error.args == (MESSAGE,)


def ask(frame):
    """The signal is there while `frame` runs: what to raise in it, or None if
    another way was found."""
    stop = TimeoutError(MESSAGE)
    loop = _eryx_jobs.running_loop()
    return loop.end(stop, frame) if isinstance(loop, _eryx_loop.HostEventLoop) else stop
