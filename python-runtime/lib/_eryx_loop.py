"""The event loop: CPython's own, over the one import that waits."""

import asyncio
import asyncio.base_events
import asyncio.events

import _eryx_wait


class HostSelector:
    """What `BaseEventLoop` asks for events. Whoever waits for an operation has
    registered a function that schedules what is next."""

    def __init__(self, loop):
        self._loop = loop

    def select(self, timeout):
        """Wait `timeout` seconds; without one, until something happens."""
        try:
            _eryx_wait.poll(timeout)
        except TimeoutError as stop:
            self._loop.end(stop)
        return ()

    def close(self):
        pass


class HostEventLoop(asyncio.base_events.BaseEventLoop):
    """Timers, tasks, futures and operations of the host."""

    def __init__(self):
        super().__init__()
        self._selector = HostSelector(self)
        self._main = None
        self._stop = None

    def run_until_complete(self, future):
        future = asyncio.ensure_future(future, loop=self)
        outer, self._main = self._main, future
        try:
            return super().run_until_complete(future)
        except asyncio.CancelledError as cancelled:
            if self._stop is None:
                raise
            raise self._stop.with_traceback(cancelled.__traceback__) from None
        finally:
            self._main, self._stop = outer, None

    def end(self, stop):
        """The host asks the program to end while all of it waits. What is waited
        for is cancelled, so that the traceback shows where that was."""
        if self._main is None or self._main.done():
            raise stop
        self._stop = stop
        self._main.cancel()

    def _process_events(self, event_list):
        pass

    def _write_to_self(self):
        # There is one thread: whoever asks to be woken is awake.
        pass

    def run_in_executor(self, executor, func, *args):
        """There are no threads. What would go to the default executor is called
        here, while everything else waits."""
        if executor is not None:
            return super().run_in_executor(executor, func, *args)
        self._check_closed()
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
