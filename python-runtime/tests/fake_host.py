"""Stands in for the host: lets the guest library be imported natively."""

import pathlib
import random
import sys
import types

LIBRARY = pathlib.Path(__file__).parent.parent / "lib"


def _wait(host, time, futures):
    host.waited.append(time)
    others = []
    for number in host.finished.pop(0):
        future = futures.pop(number, None)
        if future is None:
            others.append(number)
        elif not future.done():
            future.set_result(None)
    return others


def install():
    """Make the guest library importable; returns the stand-in."""
    if "_eryx" not in sys.modules:
        host = types.ModuleType("_eryx")
        host.waited = []
        host.finished = []
        host.wait = lambda time, futures: _wait(host, time, futures)
        host.cancelled = []
        host.cancel = host.cancelled.append
        host.apart = lambda function: function()
        host.use_meanwhile = lambda function: None
        host.use_json = lambda encoder, scanner: None
        host.start_call = None
        host.seed_random = random.seed
        host.archive = lambda: memoryview(b"0123456789")
        sys.modules["_eryx"] = host
        network = types.ModuleType("_eryx_net")
        network.Failure = type("Failure", (Exception,), {})
        sys.modules["_eryx_net"] = network
        # Appended: the stand-in for `_socket` must not hide the real one.
        sys.path.append(str(LIBRARY))
    return sys.modules["_eryx"]
