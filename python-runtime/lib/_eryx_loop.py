"""The event loop: CPython's own, over the one import that waits."""

import asyncio
import asyncio.events
import asyncio.selector_events
import selectors
import warnings
from asyncio import format_helpers

import _eryx
import _eryx_jobs
import _eryx_names
import _eryx_select
import _eryx_wait


class HostSelector(selectors._BaseSelectorImpl):
    """What the loop asks for events. Sockets are told of as any selector does;
    whoever waits for another operation has registered a function that schedules
    what is next."""

    # No wait is longer, if there is such a number of seconds.
    most = None

    def select(self, timeout=None):
        """Wait `timeout` seconds; without one, until something happens."""
        if self.most is not None:
            timeout = self.most if timeout is None else min(timeout, self.most)
        ready = self._ready() if self._fd_to_key else ()
        _eryx_wait.poll(0 if ready else timeout)
        return ready or (self._ready() if self._fd_to_key else ())

    def _ready(self):
        keys = self._fd_to_key
        wanted = {fd: key.events for fd, key in keys.items()}
        return [(keys[fd], mask) for fd, mask in _eryx_select.ready(wanted)]


# So often, each after about a millisecond, something else than the main task may
# be found to keep the loop once the program was asked to end.
PATIENCE = 50


class HostEventLoop(asyncio.selector_events.BaseSelectorEventLoop):
    """CPython's loop for sockets, without threads and signals."""

    def __init__(self, selector=None):
        # Another selector would not learn what has finished outside.
        super().__init__(HostSelector())
        self._jobs = _eryx_jobs.Jobs(self)
        self._main = None
        # How the program was asked to end, and how often it will be, still.
        self._stop = None
        self._patience = 0
        # What ended the program while a function kept the loop.
        self._exit = None

    def run_forever(self):
        stop = None
        try:
            super().run_forever()
        finally:
            exit, self._exit = self._exit, None
            if self._main is None:
                stop, self._stop = self._stop, None
        if exit is not None:
            raise exit
        if stop is not None:
            raise stop

    def go_on(self, most):
        """Inside of a function that keeps the loop: wait `most` seconds (None: without
        end), and call who is ready then. Raises what the program is to end with."""
        if self._stopping:
            # No call is made any more in this round.
            _eryx_wait.poll(most)
        else:
            self._call_ready(most)
        if self._stop is not None:
            raise self._stop

    def is_idle(self):
        """Whether only an operation of the host could have the loop call anyone."""
        return self._stopping or not (self._ready or self._scheduled)

    def _call_ready(self, most):
        self._selector.most = most
        try:
            _eryx.apart(self._run_once)
        except (SystemExit, KeyboardInterrupt) as exit:
            # Not that function's affair.
            self._exit = exit
            self.stop()
        finally:
            self._selector.most = None

    def run_until_complete(self, future):
        # A coroutine that is refused stays as it is.
        self._check_closed()
        self._check_running()
        is_own = not asyncio.isfuture(future)
        if is_own:
            future = asyncio.ensure_future(future, loop=self)
            # Nobody else can see whether it has ended, or how.
            future._log_destroy_pending = False
        outer, self._main = self._main, future
        try:
            return super().run_until_complete(future)
        except asyncio.CancelledError as cancelled:
            if self._stop is None:
                raise
            raise self._stop.with_traceback(cancelled.__traceback__) from None
        except BaseException:
            if is_own and future.done() and not future.cancelled():
                future.exception()
            raise
        finally:
            self._main, self._stop, self._patience = outer, None, 0

    def end(self, stop, frame):
        """The host asks the program to end while `frame` runs. The main task is
        what ends: `stop` is answered if it runs, to be raised in it. Else it is
        cancelled, so that the traceback shows where it waited, and what runs goes
        on: only if that does not let the loop go on, `stop` is for it, too."""
        is_main = self._main is not None and asyncio.current_task(self) is self._main
        if is_main and not _is_in_a_step(frame):
            return stop
        if self._stop is None:
            self._stop, self._patience = stop, PATIENCE
            if self._main is None or self._main.done():
                self.stop()
            else:
                self._main.cancel()
            self.call_soon(self._go_on)
        if self._patience == 0:
            return None
        _eryx.insist()
        self._patience = max(self._patience - 1, 1)
        # An exception in the loop itself would leave it without what it was about to do.
        return stop if self._patience == 1 and _eryx.is_in_callback() else None

    def _go_on(self):
        self._patience = 0

    def _make_self_pipe(self):
        # There is one thread: whoever asks to be woken is awake.
        self._internal_fds += 1

    def _close_self_pipe(self):
        self._internal_fds -= 1

    def _write_to_self(self):
        pass

    async def getaddrinfo(self, host, port, *, family=0, type=0, proto=0, flags=0):
        addresses = _eryx_names.numeric_addresses(host, family, flags)
        if addresses is None:
            operation = _eryx_names.start_resolve(host)
            if isinstance(operation, int):
                await self._finished(operation)
            addresses = _eryx_names.of_family(_eryx_names.end_resolve(operation), family)
        return _eryx_names.address_infos(addresses, port, type, proto, flags, host)

    async def _finished(self, operation):
        future = self.create_future()
        _eryx_wait.settle(operation, future)
        try:
            await future
        except asyncio.CancelledError:
            _eryx_wait.forget(operation)
            raise

    def run_in_executor(self, executor, func, *args):
        """There are no threads: what would go to the default executor is called by
        the loop, which goes on while that waits."""
        if executor is not None:
            return super().run_in_executor(executor, func, *args)
        self._check_closed()
        if self._debug:
            self._check_callback(func, "run_in_executor")
        self._check_default_executor()
        return self._jobs.submit(func, args)

    async def shutdown_default_executor(self, timeout=None):
        self._executor_shutdown_called = True
        try:
            async with asyncio.timeout(timeout):
                await self._jobs.join()
        except TimeoutError:
            warnings.warn(
                f"what the executor was given has not ended within {timeout} seconds",
                RuntimeWarning,
                stacklevel=2,
            )

    def add_signal_handler(self, sig, callback, *args):
        raise NotImplementedError("the sandbox has no signals")

    def remove_signal_handler(self, sig):
        raise NotImplementedError("the sandbox has no signals")


_ROUND = asyncio.BaseEventLoop._run_once.__code__
_SCHEDULER = asyncio.BaseEventLoop.call_soon.__code__


def _is_in_a_step(frame):
    """Whether `frame` is where a task, between two steps of its own, has the loop take
    note of the next, as it does in debug mode: an exception there would be lost, and the
    task with it."""
    while (outer := frame.f_back) is not None:
        if outer.f_code is _ROUND:
            return frame.f_code is _SCHEDULER
        frame = outer
    return False


def _tell_of_failure(handle, exception):
    """What `Handle._run` does with what its callback raises."""
    loop = handle._loop
    callback = format_helpers._format_callback_source(
        handle._callback, handle._args, debug=loop.get_debug()
    )
    context = {
        "message": f"Exception in callback {callback}",
        "exception": exception,
        "handle": handle,
    }
    if handle._source_traceback:
        context["source_traceback"] = handle._source_traceback
    loop.call_exception_handler(context)


class HostEventLoopPolicy(asyncio.events.BaseDefaultEventLoopPolicy):
    """Makes `asyncio.run` and its like use `HostEventLoop`."""

    _loop_factory = HostEventLoop


def install():
    """Use the loop wherever asyncio makes one."""
    asyncio.set_event_loop_policy(HostEventLoopPolicy())
    # What `asyncio.Runner(loop_factory=asyncio.EventLoop)` means by it.
    asyncio.EventLoop = asyncio.SelectorEventLoop = HostEventLoop
    asyncio.DefaultEventLoopPolicy = HostEventLoopPolicy
    _eryx.use_loop(HostEventLoop, asyncio.Handle, _tell_of_failure)
    _eryx.use_task_set(asyncio.tasks._scheduled_tasks)
