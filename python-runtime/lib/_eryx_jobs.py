"""In place of asyncio's default executor: functions that may wait, called by the loop
itself. There are no threads, so it is one at a time; where that one waits, for the
network, for a lock or in `time.sleep`, the loop goes on inside of it."""

import asyncio
import collections
import contextvars
import sys
import types
from concurrent.futures import Future
from concurrent.futures.thread import _WorkItem

import _eryx_wait

DEADLOCK = "deadlock: waits without a time limit, and nothing else goes on"

# What a loop skips when its turn comes.
_NOTHING = types.SimpleNamespace(_cancelled=True)

# The loop that calls the function, which cannot ask for it.
_caller = None


def running_loop():
    """The loop that runs, also if one function keeps it."""
    return asyncio._get_running_loop() or _caller


class Jobs:
    """The functions that were handed over to a loop."""

    def __init__(self, loop):
        self._loop = loop
        # The one that runs is the first, until it is through.
        self._queue = collections.deque()
        # Futures of those who wait until nothing is left.
        self._joining = []

    def submit(self, func, args):
        """The future of what `func(*args)` returns."""
        job = _WorkItem(Future(), func, args, {})
        self._queue.append(job)
        if len(self._queue) == 1:
            self._call_soon()
        return asyncio.wrap_future(job.future, loop=self._loop)

    async def join(self):
        """Wait until nothing is left."""
        if self._queue:
            future = self._loop.create_future()
            self._joining.append(future)
            await future

    def _call_soon(self):
        # As in a thread: not in the context of who asked for it.
        self._loop.call_soon(self._call_next, context=contextvars.Context())

    def _call_next(self):
        try:
            self._call(self._queue[0])
        finally:
            self._queue.popleft()
            if self._queue:
                self._call_soon()
            else:
                self._tell_who_joins()

    def _tell_who_joins(self):
        while self._joining:
            future = self._joining.pop()
            future.done() or future.set_result(None)

    def _call(self, job):
        global _caller
        ready = self._loop._ready
        turns = len(ready)
        outer_caller, _caller = _caller, self._loop
        self._loop_state = _switch((None, (None, None), (self._go_on, self._go_on_or_raise)))
        try:
            job.run()
        finally:
            _switch(self._loop_state)
            _caller = outer_caller
            # The loop has counted the calls of the round in which it made this one.
            ready.extend([_NOTHING] * (turns - len(ready)))

    def _go_on(self, timeout):
        """Instead of waiting `timeout` seconds (None: without end), have the loop wait
        as long, and call who is ready then."""
        function_state = _switch(self._loop_state)
        try:
            self._loop.go_on(timeout)
        finally:
            _switch(function_state)

    def _go_on_or_raise(self, timeout):
        """The same for who waits for what only the program itself can do."""
        if timeout is None and self._loop.is_idle() and not _eryx_wait.is_waiting():
            raise RuntimeError(DEADLOCK)
        self._go_on(timeout)


def _switch(state):
    """Have what each thread has of its own: its loop, what is told of asynchronous
    generators, what to do while it waits. Returns what there was."""
    before = asyncio._get_running_loop(), sys.get_asyncgen_hooks(), _eryx_wait.meanwhile()
    loop, hooks, meanwhile = state
    asyncio._set_running_loop(loop)
    sys.set_asyncgen_hooks(*hooks)
    _eryx_wait.use_meanwhile(*meanwhile)
    return before
