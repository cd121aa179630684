"""Sockets over the host's network, in the form that the C module `_socket` has on
a system: see `_socket`."""

import errno
import operator
import os
import time

import _eryx_wait
from _eryx_descriptors import MOST_BYTES, READ, WRITE, Connection, PairEnd
from _eryx_descriptors import add, close, descriptor_of, descriptors
from _eryx_failures import WANT_READ, WANT_WRITE, Failure, gaierror, os_error
from _eryx_failures import refuse, require_network
from _eryx_names import resolve, sockaddr
from _socket_constants import *

error = OSError
timeout = TimeoutError

_default_timeout = None


def _socket_number(fd):
    """The descriptor that `socket(fileno=)` was given."""
    if isinstance(fd, float):
        raise TypeError("integer argument expected, got float")
    fd = operator.index(fd)
    if fd < 0:
        raise ValueError("negative file descriptor")
    if fd not in descriptors:
        os.fstat(fd)
        raise OSError(errno.ENOTSOCK, "Socket operation on non-socket")
    return fd


class socket:
    """A TCP socket that connects."""

    __slots__ = ("_fd", "_family", "_type", "_proto", "_timeout")

    def __init__(self, family=-1, type=-1, proto=-1, fileno=None):
        self._fd = -1
        if family == -1:
            family = AF_INET
        if type == -1:
            type = SOCK_STREAM
        if proto == -1:
            proto = 0
        self._family, self._proto = family, proto
        self._type = type & ~(SOCK_NONBLOCK | SOCK_CLOEXEC)
        self._timeout = 0.0 if type & SOCK_NONBLOCK else _default_timeout
        if fileno is not None:
            self._fd = _socket_number(fileno)
            return
        require_network()
        if family not in (AF_INET, AF_INET6):
            raise OSError(errno.EAFNOSUPPORT, "Address family not supported by protocol")
        if self._type != SOCK_STREAM:
            refuse("datagrams and raw sockets")
        if proto not in (0, IPPROTO_TCP):
            raise OSError(errno.EPROTONOSUPPORT, "Protocol not supported")
        self._fd = add(Connection())

    def __repr__(self):
        return (
            f"<socket object, fd={self._fd}, family={self._family}, "
            f"type={self._type}, proto={self._proto}>"
        )

    def __del__(self):
        if getattr(self, "_fd", -1) != -1:
            import warnings

            warnings.warn(f"unclosed {self!r}", ResourceWarning, source=self, stacklevel=2)
            self.close()

    # A subclass hides these behind its own, so the values have other names.
    family = property(lambda self: self._family)
    type = property(lambda self: self._type)
    proto = property(lambda self: self._proto)
    timeout = property(lambda self: self._timeout)

    def _end(self):
        return None if self._timeout is None else time.monotonic() + self._timeout

    # Connecting.

    def connect(self, address, /):
        self._connect(address)

    # A subclass has a `connect` of its own, which `connect_ex` does not call.
    def _connect(self, address):
        descriptor = descriptor_of(self._fd)
        host, port = self._peer(address)
        descriptor.connect(host, port)
        if self._timeout == 0:
            raise BlockingIOError(errno.EINPROGRESS, "Operation now in progress")
        end = self._end()
        while descriptor.connecting is not None:
            left = None if end is None else end - time.monotonic()
            if left is not None and left <= 0:
                _eryx_wait.forget(descriptor.connecting)
                descriptor.connecting = None
                raise TimeoutError("timed out")
            _eryx_wait.poll(left)
        error = descriptor.take_error()
        if error is not None:
            raise error

    def connect_ex(self, address, /):
        try:
            self._connect(address)
        except gaierror:
            raise
        except OSError as error:
            if error.errno is None:
                return errno.EAGAIN
            return error.errno
        return 0

    def _peer(self, address):
        """The numeric address and the port of what was passed to `connect`."""
        if not isinstance(address, tuple):
            raise TypeError(
                f"connect(): AF_INET address must be tuple, not {type(address).__name__}"
            )
        if not 2 <= len(address) <= (2 if self._family == AF_INET else 4):
            raise TypeError("connect(): AF_INET address must be a pair (host, port)")
        host, port = address[:2]
        if not isinstance(port, int):
            raise TypeError(f"'{type(port).__name__}' object cannot be interpreted as an integer")
        if not 0 <= port <= 0xFFFF:
            raise OverflowError("connect(): port must be 0-65535.")
        return resolve(host, self._family)[0], port

    def bind(self, address, /):
        refuse("sockets that others can reach")

    def listen(self, backlog=128, /):
        refuse("sockets that others can reach")

    def _accept(self):
        refuse("sockets that others can reach")

    # Receiving.

    def recv(self, bufsize, flags=0, /):
        if bufsize < 0:
            raise ValueError("negative buffersize in recv")
        data = self._recv(bufsize, flags)
        if flags & MSG_WAITALL and not flags & MSG_PEEK:
            while data and len(data) < bufsize:
                more = self._recv(bufsize - len(data), flags)
                if not more:
                    break
                data += more
        return data

    def _recv(self, size, flags):
        descriptor = descriptor_of(self._fd)
        if size == 0:
            return b""
        size = min(size, MOST_BYTES)
        end = None
        while True:
            try:
                return descriptor.receive(size, flags & MSG_PEEK)
            except Failure as failure:
                if failure.args[0] != WANT_READ or self._timeout == 0 or flags & MSG_DONTWAIT:
                    raise os_error(failure) from None
            end = self._end() if end is None else end
            descriptor.wait_or_raise(READ, end)

    def recv_into(self, buffer, nbytes=0, flags=0):
        with memoryview(buffer) as view, view.cast("B") as room:
            if nbytes < 0:
                raise ValueError("negative buffersize in recv_into")
            if nbytes > len(room):
                raise ValueError("buffer too small for requested bytes")
            data = self.recv(nbytes or len(room), flags)
            room[: len(data)] = data
            return len(data)

    def recvfrom(self, bufsize, flags=0, /):
        return self.recv(bufsize, flags), None

    def recvfrom_into(self, buffer, nbytes=0, flags=0):
        return self.recv_into(buffer, nbytes, flags), None

    # What belongs to it besides the bytes there is nothing of.

    def recvmsg(self, bufsize, ancbufsize=0, flags=0, /):
        if bufsize < 0:
            raise ValueError("negative buffer size in recvmsg()")
        _check_ancillary(ancbufsize)
        return self.recv(bufsize, flags), [], 0, None

    def recvmsg_into(self, buffers, ancbufsize=0, flags=0, /):
        _check_ancillary(ancbufsize)
        views = [memoryview(buffer).cast("B") for buffer in buffers]
        data = self.recv(sum(map(len, views)), flags)
        rest = memoryview(data)
        for view in views:
            length = min(len(view), len(rest))
            view[:length] = rest[:length]
            rest = rest[length:]
        return len(data), [], 0, None

    # Sending.

    def send(self, data, flags=0, /):
        return self._send(data, self._end(), flags)

    def _send(self, data, end, flags):
        descriptor = descriptor_of(self._fd)
        while True:
            try:
                return descriptor.send(data)
            except Failure as failure:
                if failure.args[0] != WANT_WRITE or self._timeout == 0 or flags & MSG_DONTWAIT:
                    raise os_error(failure) from None
            descriptor.wait_or_raise(WRITE, end)

    def sendall(self, data, flags=0, /):
        end = self._end()
        with memoryview(data) as view, view.cast("B") as rest:
            sent = 0
            while sent < len(rest):
                sent += self._send(rest[sent:], end, flags)

    def sendto(self, data, *arguments):
        if self._type != SOCK_STREAM:
            refuse("datagrams")
        return self.send(data)

    def sendmsg(self, buffers, ancdata=(), flags=0, address=None, /):
        if ancdata:
            raise OSError(errno.EOPNOTSUPP, "Operation not supported")
        return self.send(_front(buffers), flags)

    # Everything else.

    def setsockopt(self, level, option, value, optlen=None, /):
        descriptor = descriptor_of(self._fd)
        descriptor.options[level, option] = value
        if (level, option) == (IPPROTO_TCP, TCP_NODELAY):
            try:
                descriptor.set_no_delay(bool(value))
            except Failure as failure:
                raise os_error(failure) from None

    def getsockopt(self, level, option, buflen=0, /):
        descriptor = descriptor_of(self._fd)
        if (level, option) == (SOL_SOCKET, SO_ERROR):
            error = descriptor.take_error()
            value = 0 if error is None else error.errno
        elif (level, option) == (SOL_SOCKET, SO_TYPE):
            value = self._type
        else:
            value = descriptor.options.get((level, option), 0)
        if buflen and isinstance(value, int):
            return value.to_bytes(4, "little")[:buflen]
        return value

    def settimeout(self, timeout, /):
        timeout = _seconds(timeout)
        descriptor_of(self._fd)
        self._timeout = timeout

    def gettimeout(self):
        return self._timeout

    def setblocking(self, flag, /):
        descriptor_of(self._fd)
        self._timeout = None if flag else 0.0

    def getblocking(self):
        return self._timeout != 0

    def getpeername(self):
        ends = self._ends()
        if ends is None:
            raise OSError(errno.ENOTCONN, "Transport endpoint is not connected")
        return sockaddr(self._family, *ends[1])

    def getsockname(self):
        ends = self._ends()
        if ends is None:
            return ("0.0.0.0", 0) if self._family == AF_INET else ("::", 0, 0, 0)
        return sockaddr(self._family, *ends[0])

    def _ends(self):
        try:
            return descriptor_of(self._fd).ends()
        except Failure as failure:
            raise os_error(failure) from None

    def shutdown(self, how, /):
        if how not in (SHUT_RD, SHUT_WR, SHUT_RDWR):
            raise OSError(errno.EINVAL, "Invalid argument")
        try:
            descriptor_of(self._fd).shut_down(how)
        except Failure as failure:
            raise os_error(failure) from None

    def fileno(self):
        return self._fd

    def detach(self):
        fd, self._fd = self._fd, -1
        return fd

    def close(self):
        fd, self._fd = self._fd, -1
        if fd != -1:
            close(fd)


def _front(buffers):
    """What one call sends of `buffers`: no more is copied."""
    front = bytearray()
    for buffer in buffers:
        with memoryview(buffer) as view, view.cast("B") as bytes_:
            front += bytes_[: MOST_BYTES - len(front)]
        if len(front) == MOST_BYTES:
            break
    return front


def _check_ancillary(size):
    if size < 0:
        raise ValueError("invalid ancillary data buffer length")


SocketType = socket


def socketpair(family=AF_INET, type=SOCK_STREAM, proto=0, /):
    """Two sockets that are connected to each other, within the sandbox."""
    if family not in (AF_INET, AF_INET6):
        raise OSError(errno.EAFNOSUPPORT, "Address family not supported by protocol")
    if type & ~(SOCK_NONBLOCK | SOCK_CLOEXEC) != SOCK_STREAM:
        raise PermissionError(errno.EPERM, "pairs of sockets are streams in the sandbox")
    if proto not in (0, IPPROTO_TCP):
        raise OSError(errno.EPROTONOSUPPORT, "Protocol not supported")
    ends = PairEnd(), PairEnd()
    ends[0].peer, ends[1].peer = ends[1], ends[0]
    return tuple(socket(family, type, proto, add(end)) for end in ends)


def getdefaulttimeout():
    return _default_timeout


def setdefaulttimeout(timeout):
    global _default_timeout
    _default_timeout = _seconds(timeout)


def _seconds(timeout):
    """A timeout in seconds, or None for none."""
    if timeout is None:
        return None
    if isinstance(timeout, (str, bytes)):
        raise TypeError(f"'{type(timeout).__name__}' object cannot be interpreted as an integer")
    timeout = float(timeout)
    if timeout != timeout:
        raise ValueError("Invalid value NaN (not a number)")
    if timeout < 0:
        raise ValueError("Timeout value out of range")
    return timeout
