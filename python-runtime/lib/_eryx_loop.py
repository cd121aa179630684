"""The event loop: CPython's own, over the one import that waits."""

import asyncio
import asyncio.events
import asyncio.selector_events
import selectors

import _eryx_select
import _eryx_socket
import _eryx_wait


class HostSelector(selectors._BaseSelectorImpl):
    """What the loop asks for events. Sockets are told of as any selector does;
    whoever waits for another operation has registered a function that schedules
    what is next."""

    def __init__(self, loop):
        super().__init__()
        self._loop = loop

    def select(self, timeout=None):
        """Wait `timeout` seconds; without one, until something happens."""
        ready = self._ready() if self._fd_to_key else ()
        try:
            _eryx_wait.poll(0 if ready else timeout)
        except TimeoutError as stop:
            self._loop.end(stop)
        return ready or (self._ready() if self._fd_to_key else ())

    def _ready(self):
        keys = self._fd_to_key
        wanted = {fd: key.events for fd, key in keys.items()}
        return [(keys[fd], mask) for fd, mask in _eryx_select.ready(wanted)]


class HostEventLoop(asyncio.selector_events.BaseSelectorEventLoop):
    """CPython's loop for sockets, without threads and signals."""

    def __init__(self, selector=None):
        # Another selector would not learn what has finished outside.
        super().__init__(HostSelector(self))
        self._main = None
        self._stop = None

    def run_until_complete(self, future):
        # A coroutine that is refused stays as it is.
        self._check_closed()
        self._check_running()
        is_own = not asyncio.isfuture(future)
        future = asyncio.ensure_future(future, loop=self)
        if is_own:
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
            self._main, self._stop = outer, None

    def end(self, stop):
        """The host asks the program to end while all of it waits. What is waited
        for is cancelled, so that the traceback shows where that was."""
        if self._main is None or self._main.done():
            raise stop
        self._stop = stop
        self._main.cancel()

    def _make_self_pipe(self):
        # There is one thread: whoever asks to be woken is awake.
        self._internal_fds += 1

    def _close_self_pipe(self):
        self._internal_fds -= 1

    def _write_to_self(self):
        pass

    async def getaddrinfo(self, host, port, *, family=0, type=0, proto=0, flags=0):
        addresses = _eryx_socket.numeric_addresses(host, family, flags)
        if addresses is None:
            operation = _eryx_socket.start_resolve(host)
            if isinstance(operation, int):
                await self._finished(operation)
            addresses = _eryx_socket.of_family(_eryx_socket.end_resolve(operation), family)
        return _eryx_socket.address_infos(addresses, port, type, proto, flags, host)

    async def _finished(self, operation):
        future = self.create_future()
        _eryx_wait.settle(operation, future)
        try:
            await future
        except asyncio.CancelledError:
            _eryx_wait.forget(operation)
            raise

    def run_in_executor(self, executor, func, *args):
        """There are no threads. What would go to the default executor is called
        here, while everything else waits."""
        if executor is not None:
            return super().run_in_executor(executor, func, *args)
        self._check_closed()
        if self._debug:
            self._check_callback(func, "run_in_executor")
        future = self.create_future()
        self.call_soon(_call_for, future, func, args)
        return future

    def add_signal_handler(self, sig, callback, *args):
        raise NotImplementedError("the sandbox has no signals")

    def remove_signal_handler(self, sig):
        raise NotImplementedError("the sandbox has no signals")


def _call_for(future, func, args):
    if future.cancelled():
        return
    try:
        result = func(*args)
    except (SystemExit, KeyboardInterrupt):
        raise
    except BaseException as error:
        future.set_exception(error)
    else:
        future.set_result(result)


class HostEventLoopPolicy(asyncio.events.BaseDefaultEventLoopPolicy):
    """Makes `asyncio.run` and its like use `HostEventLoop`."""

    _loop_factory = HostEventLoop


def install():
    """Use the loop wherever asyncio makes one."""
    asyncio.set_event_loop_policy(HostEventLoopPolicy())
    # What `asyncio.Runner(loop_factory=asyncio.EventLoop)` means by it.
    asyncio.EventLoop = asyncio.SelectorEventLoop = HostEventLoop
    asyncio.DefaultEventLoopPolicy = HostEventLoopPolicy
