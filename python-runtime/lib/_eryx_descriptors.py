"""What stands behind the numbers of sockets: connections of the host, and the ends of
pairs within the sandbox."""

import errno
import time

import _eryx_net
import _eryx_wait
from _eryx_failures import BROKEN, LIMIT, WANT_READ, WANT_WRITE, Failure, os_error
from _socket_constants import IPPROTO_TCP, SHUT_RD, SHUT_RDWR, SHUT_WR, TCP_NODELAY

# Bytes that one call moves at most.
MOST_BYTES = 1 << 20

# Reading and writing, as a mask.
READ, WRITE = 1, 2


class Descriptor:
    """What a descriptor stands for."""

    __slots__ = ("users", "options", "error")

    def __init__(self):
        self.users = 1
        self.options = {}
        self.error = None

    def take_error(self):
        error, self.error = self.error, None
        return error

    def wait_or_raise(self, mask, end):
        """As `wait`, for a socket."""
        if not self.wait(mask, end):
            raise TimeoutError("timed out")

    def close(self):
        self.users -= 1
        if not self.users:
            self.end()


class Connection(Descriptor):
    """One connection, being made or made."""

    __slots__ = ("connection", "connecting", "watching")

    def __init__(self):
        super().__init__()
        self.connection = None
        # The operation that makes the connection, and the address.
        self.connecting = None
        # Operations that have not told that reading or writing is possible.
        self.watching = {}

    def connect(self, host, port):
        """Start to connect to an address."""
        if self.connection is not None:
            raise OSError(errno.EISCONN, "Transport endpoint is already connected")
        if self.connecting is not None:
            raise OSError(errno.EALREADY, "Operation already in progress")
        try:
            operation = _eryx_net.connect(host, port)
        except Failure as failure:
            raise os_error(failure) from None
        self.connecting = operation
        _eryx_wait.register(operation, self._connected)

    def _connected(self):
        operation, self.connecting = self.connecting, None
        try:
            self.connection = _eryx_net.take_connection(operation)
            if self.options.get((IPPROTO_TCP, TCP_NODELAY)):
                _eryx_net.set_no_delay(self.connection, True)
        except Failure as failure:
            self.error = os_error(failure)

    def require_connection(self):
        """The connection's number, as the host knows it."""
        if self.connection is None:
            raise OSError(errno.ENOTCONN, "Transport endpoint is not connected")
        return self.connection

    def receive(self, size, keep):
        return _eryx_net.receive(self.require_connection(), size, keep)

    def send(self, data):
        if self.connection is None:
            raise BrokenPipeError(errno.EPIPE, "Broken pipe")
        return _eryx_net.send(self.connection, data)

    def shut_down(self, how):
        _eryx_net.shut_down(self.require_connection(), how)

    def set_no_delay(self, yes):
        if self.connection is not None:
            _eryx_net.set_no_delay(self.connection, yes)

    def ends(self):
        """The addresses of the two sides, or None before there is a connection."""
        return None if self.connection is None else _eryx_net.ends(self.connection)

    def ready(self, mask):
        """What of `mask` is possible now; the rest is being watched."""
        if self.connecting is not None:
            return 0
        if self.connection is None:
            return mask
        ready = 0
        if mask & READ and self._possible(READ, _eryx_net.readable):
            ready = READ
        if mask & WRITE and self._possible(WRITE, _eryx_net.writable):
            ready |= WRITE
        return ready

    def _possible(self, which, ask):
        watching = self.watching
        if which in watching:
            return False
        try:
            operation = ask(self.connection)
        except Failure as failure:
            if failure.args[0] == LIMIT:
                raise os_error(failure) from None
            # Whoever tries will learn what it is.
            return True
        if operation is None:
            return True
        watching[which] = operation
        _eryx_wait.register(operation, lambda: watching.pop(which, None))
        return False

    def wait(self, mask, end):
        """Wait until something of `mask`, one of `READ` and `WRITE`, is possible;
        False if it is not by the time `end`, which may be None."""
        watching = self.watching
        if self.ready(mask):
            return True
        while mask in watching or self.connecting is not None:
            if end is None:
                _eryx_wait.poll(None)
                continue
            left = end - time.monotonic()
            if left <= 0:
                return False
            _eryx_wait.poll(left)
        return True

    def end(self):
        if self.connecting is not None:
            _eryx_wait.forget(self.connecting)
            self.connecting = None
        for operation in self.watching.values():
            _eryx_wait.forget(operation)
        self.watching.clear()
        if self.connection is not None:
            _eryx_net.close(self.connection)
            self.connection = None


# Bytes on their way between the two ends of a pair.
_MOST_IN_PAIR = 208 << 10


class PairEnd(Descriptor):
    """One end of a pair: what is sent into it comes out of the other. The host
    knows nothing of it."""

    __slots__ = ("peer", "arrived", "receiving", "sending")

    connecting = None

    def __init__(self):
        super().__init__()
        self.peer = None
        self.arrived = bytearray()
        # Whether more may come, and go.
        self.receiving = self.sending = True

    def connect(self, host, port):
        raise OSError(errno.EISCONN, "Transport endpoint is already connected")

    def require_connection(self):
        raise PermissionError(
            errno.EPERM, "the host makes TLS on its own connections only: here, use MemoryBIO"
        )

    def receive(self, size, keep):
        if not self.arrived:
            if self.receiving:
                raise Failure(WANT_READ, "")
            return b""
        data = bytes(memoryview(self.arrived)[:size])
        if not keep:
            del self.arrived[:size]
        return data

    def send(self, data):
        room = self._room()
        if room is None:
            raise Failure(BROKEN, "Broken pipe")
        if not room:
            raise Failure(WANT_WRITE, "")
        with memoryview(data) as view, view.cast("B") as bytes_:
            self.peer.arrived += bytes_[:room]
            return min(room, len(bytes_))

    def _room(self):
        """Bytes that can be sent; None if never again."""
        if not self.sending or self.peer is None:
            return None
        return _MOST_IN_PAIR - len(self.peer.arrived)

    def shut_down(self, how):
        if how != SHUT_WR:
            self.receiving = False
            if self.peer is not None:
                self.peer.sending = False
        if how != SHUT_RD:
            self.sending = False
            if self.peer is not None:
                self.peer.receiving = False

    def set_no_delay(self, yes):
        pass

    def ends(self):
        return ("127.0.0.1", 0), ("127.0.0.1", 0)

    def ready(self, mask):
        """What of `mask` is possible now."""
        ready = 0
        if mask & READ and (self.arrived or not self.receiving):
            ready = READ
        if mask & WRITE and self._room() != 0:
            ready |= WRITE
        return ready

    def wait(self, mask, end):
        """As `Connection.wait`. Nobody runs meanwhile but whom a finished
        operation calls."""
        while not self.ready(mask):
            left = None if end is None else end - time.monotonic()
            if left is not None and left <= 0:
                return False
            _eryx_wait.poll(left)
        return True

    def end(self):
        self.shut_down(SHUT_RDWR)
        if self.peer is not None:
            self.peer.peer = self.peer = None


# Numbers apart from those of files.
descriptors = {}
_last = 1 << 20


def add(descriptor):
    global _last
    _last += 1
    descriptors[_last] = descriptor
    return _last


def descriptor_of(fd):
    try:
        return descriptors[fd]
    except KeyError:
        raise OSError(errno.EBADF, "Bad file descriptor") from None


def close(fd, /):
    descriptor = descriptor_of(fd)
    del descriptors[fd]
    descriptor.close()


def dup(fd, /):
    descriptor = descriptor_of(fd)
    descriptor.users += 1
    return add(descriptor)
