"""The event loop: CPython's own, over the one import that waits."""

import _eryx
import asyncio
import asyncio.base_events
import asyncio.events

# Nanoseconds; some three hundred years.
FOREVER = 2**63


class HostSelector:
    """What `BaseEventLoop` asks for events."""

    def select(self, timeout):
        """Wait `timeout` seconds; without one, until the host ends the run."""
        if timeout is None:
            _eryx.wait(FOREVER)
        elif timeout > 0:
            _eryx.wait(int(min(timeout * 1e9 + 1, FOREVER)))
        return ()

    def close(self):
        pass


class HostEventLoop(asyncio.base_events.BaseEventLoop):
    """Timers, tasks and futures; what needs threads or signals is refused."""

    def __init__(self):
        super().__init__()
        self._selector = HostSelector()

    def _process_events(self, event_list):
        pass

    def _write_to_self(self):
        # There is one thread: whoever asks to be woken is awake.
        pass


class HostEventLoopPolicy(asyncio.events.BaseDefaultEventLoopPolicy):
    """Makes `asyncio.run` and its like use `HostEventLoop`."""

    _loop_factory = HostEventLoop


def install():
    """Use the loop wherever asyncio makes one."""
    asyncio.set_event_loop_policy(HostEventLoopPolicy())
