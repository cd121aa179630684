"""Sockets over the host's network, in the form that the C module `_socket` has on
a system: see `_socket`."""

import errno
import operator
import os
import time

import _eryx_net
import _eryx_wait

AF_UNSPEC, AF_INET, AF_INET6 = 0, 2, 10
SOCK_STREAM, SOCK_DGRAM, SOCK_RAW, SOCK_RDM, SOCK_SEQPACKET = 1, 2, 3, 4, 5
SOCK_NONBLOCK, SOCK_CLOEXEC = 2048, 524288
SOL_SOCKET, SOL_TCP, SOMAXCONN = 1, 6, 128
SO_REUSEADDR, SO_TYPE, SO_ERROR, SO_BROADCAST = 2, 3, 4, 6
SO_SNDBUF, SO_RCVBUF, SO_KEEPALIVE, SO_LINGER, SO_REUSEPORT = 7, 8, 9, 13, 15
IPPROTO_IP, IPPROTO_TCP, IPPROTO_UDP, IPPROTO_IPV6 = 0, 6, 17, 41
TCP_NODELAY, TCP_KEEPIDLE, TCP_KEEPINTVL, TCP_KEEPCNT, TCP_USER_TIMEOUT = 1, 4, 5, 6, 18
IPV6_V6ONLY = 26
SHUT_RD, SHUT_WR, SHUT_RDWR = 0, 1, 2
MSG_PEEK, MSG_DONTWAIT, MSG_WAITALL, MSG_NOSIGNAL = 2, 64, 256, 16384
AI_PASSIVE, AI_CANONNAME, AI_NUMERICHOST, AI_NUMERICSERV = 1, 2, 4, 1024
AI_ADDRCONFIG, AI_V4MAPPED, AI_ALL = 32, 8, 16
EAI_BADFLAGS, EAI_NONAME, EAI_AGAIN, EAI_FAIL = -1, -2, -3, -4
EAI_FAMILY, EAI_SOCKTYPE, EAI_SERVICE, EAI_MEMORY = -6, -7, -8, -10
NI_NUMERICHOST, NI_NUMERICSERV, NI_NAMEREQD, NI_DGRAM = 1, 2, 8, 16
INADDR_ANY, INADDR_LOOPBACK, INADDR_BROADCAST, INADDR_NONE = 0, 0x7F000001, 0xFFFFFFFF, 0xFFFFFFFF
has_ipv6 = True

# Bytes that one call moves at most.
MOST_BYTES = 1 << 20
# Characters of a name; the host takes none that is as long.
MOST_NAME = 255

error = OSError
timeout = TimeoutError

_default_timeout = None


class gaierror(OSError):
    pass


class herror(OSError):
    pass


gaierror.__module__ = herror.__module__ = "socket"


Failure = _eryx_net.Failure

# Codes of `eryx:net/types`, in its order.
(
    DENIED,
    LIMIT,
    INVALID,
    CLOSED,
    UNFINISHED,
    WANT_READ,
    WANT_WRITE,
    REFUSED,
    RESET,
    ABORTED,
    BROKEN,
    UNREACHABLE,
    TIMED_OUT,
    UNKNOWN_NAME,
    NO_NAME_SERVICE,
    CERTIFICATE,
    PROTOCOL,
    TRUNCATED,
    OTHER,
) = range(19)

_ERRNO = {
    DENIED: errno.EPERM,
    LIMIT: errno.EDQUOT,
    INVALID: errno.EINVAL,
    CLOSED: errno.ENOTCONN,
    WANT_READ: errno.EAGAIN,
    WANT_WRITE: errno.EAGAIN,
    REFUSED: errno.ECONNREFUSED,
    RESET: errno.ECONNRESET,
    ABORTED: errno.ECONNABORTED,
    BROKEN: errno.EPIPE,
    UNREACHABLE: errno.EHOSTUNREACH,
    TIMED_OUT: errno.ETIMEDOUT,
}


def os_error(failure):
    """The exception that CPython's own module would raise."""
    code, message = failure.args
    if code == UNKNOWN_NAME:
        return gaierror(EAI_NONAME, "Name or service not known")
    if code == NO_NAME_SERVICE:
        return gaierror(EAI_AGAIN, "Temporary failure in name resolution")
    return OSError(_ERRNO.get(code, errno.EIO), message or "Resource temporarily unavailable")


def _require_network():
    import _eryx_run

    if not _eryx_run.has_extension("eryx:net"):
        raise PermissionError(errno.EPERM, "the sandbox has no network")


def _refuse(what):
    _require_network()
    raise PermissionError(errno.EPERM, f"the sandbox has no {what}: only TCP connections")


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


def _add(descriptor):
    global _last
    _last += 1
    descriptors[_last] = descriptor
    return _last


def descriptor_of(fd):
    try:
        return descriptors[fd]
    except KeyError:
        raise OSError(errno.EBADF, "Bad file descriptor") from None


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
        _require_network()
        if family not in (AF_INET, AF_INET6):
            raise OSError(errno.EAFNOSUPPORT, "Address family not supported by protocol")
        if self._type != SOCK_STREAM:
            _refuse("datagrams and raw sockets")
        if proto not in (0, IPPROTO_TCP):
            raise OSError(errno.EPROTONOSUPPORT, "Protocol not supported")
        self._fd = _add(Connection())

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
        _refuse("sockets that others can reach")

    def listen(self, backlog=128, /):
        _refuse("sockets that others can reach")

    def _accept(self):
        _refuse("sockets that others can reach")

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
            _refuse("datagrams")
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
        return _sockaddr(self._family, *ends[1])

    def getsockname(self):
        ends = self._ends()
        if ends is None:
            return ("0.0.0.0", 0) if self._family == AF_INET else ("::", 0, 0, 0)
        return _sockaddr(self._family, *ends[0])

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


def close(fd, /):
    descriptor = descriptor_of(fd)
    del descriptors[fd]
    descriptor.close()


def dup(fd, /):
    descriptor = descriptor_of(fd)
    descriptor.users += 1
    return _add(descriptor)


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
    return tuple(socket(family, type, proto, _add(end)) for end in ends)


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


# Names.


def _family_of(host):
    """The family of a numeric address in its usual form, or None."""
    for family in (AF_INET, AF_INET6):
        try:
            inet_pton(family, host)
            return family
        except OSError:
            pass
    return None


def _text(host):
    """A host name as the host wants it."""
    if isinstance(host, (bytes, bytearray)):
        return bytes(host).decode("ascii", "surrogateescape")
    if not isinstance(host, str):
        raise TypeError("getaddrinfo() argument 1 must be string or None")
    if "\0" in host:
        raise ValueError("embedded null character")
    return host if host.isascii() else host.encode("idna").decode("ascii")


# What this machine calls itself is known, whether it may be connected to or not.
_OWN_NAME, _OWN_ADDRESSES = "localhost", ("127.0.0.1", "::1")


def start_resolve(host):
    """Start to look up a name; returns the operation, or the addresses if they are
    known already."""
    name = _text(host)
    if len(name) > MOST_NAME:
        raise gaierror(EAI_NONAME, "Name or service not known")
    try:
        _require_network()
        return _eryx_net.resolve(name)
    except (Failure, PermissionError) as error:
        if name.lower().rstrip(".") == _OWN_NAME:
            return _OWN_ADDRESSES
        raise (os_error(error) if isinstance(error, Failure) else error) from None


def end_resolve(operation):
    """The addresses that a finished look-up found."""
    if operation is _OWN_ADDRESSES:
        return list(operation)
    try:
        return _eryx_net.take_addresses(operation)
    except Failure as failure:
        raise os_error(failure) from None


def resolve(host, family):
    """The addresses of a name or an address, of `family` if it is not 0."""
    text = _text(host)
    if text == "":
        text = "0.0.0.0" if family != AF_INET6 else "::"
    own = _family_of(text)
    if own is not None:
        if family not in (AF_UNSPEC, own):
            raise gaierror(-9, "Address family for hostname not supported")
        return [text]
    operation = start_resolve(host)
    if operation is not _OWN_ADDRESSES:
        _eryx_wait.wait(operation)
    return of_family(end_resolve(operation), family)


def of_family(addresses, family):
    found = [a for a in addresses if family in (AF_UNSPEC, AF_INET6 if ":" in a else AF_INET)]
    if not found:
        raise gaierror(-5, "No address associated with hostname")
    return found


_SERVICES = {
    "ftp": 21, "ssh": 22, "smtp": 25, "domain": 53, "http": 80, "pop3": 110, "ntp": 123,
    "imap": 143, "imap2": 143, "https": 443, "submissions": 465, "submission": 587,
    "imaps": 993, "pop3s": 995, "mysql": 3306, "postgresql": 5432, "redis": 6379,
}  # fmt: skip


def _port(port, flags):
    if port is None:
        return 0
    if isinstance(port, int):
        return port & 0xFFFF
    if isinstance(port, bytes):
        port = port.decode()
    if not isinstance(port, str):
        raise OSError("Int or String expected")
    # What cannot be written is not looked for.
    port.encode()
    if port == "":
        return 0
    if port.isdecimal() and port.isascii():
        return int(port) & 0xFFFF
    if flags & AI_NUMERICSERV or port not in _SERVICES:
        raise gaierror(EAI_SERVICE, "Servname not supported for ai_socktype")
    return _SERVICES[port]


def numeric_addresses(host, family, flags):
    """The addresses where no name has to be looked up, or None."""
    if host is None:
        both = ("0.0.0.0", "::") if flags & AI_PASSIVE else ("127.0.0.1", "::1")
        return of_family(both, family)
    text = _text(host)
    if text and _family_of(text) is None:
        if flags & AI_NUMERICHOST:
            raise gaierror(EAI_NONAME, "Name or service not known")
        return None
    return resolve(text, family)


def address_infos(addresses, port, type, proto, flags, host):
    """The answer of `getaddrinfo`."""
    port = _port(port, flags)
    if type not in (0, SOCK_STREAM, SOCK_DGRAM, SOCK_RAW):
        raise gaierror(EAI_SOCKTYPE, "ai_socktype not supported")
    type = type or (SOCK_DGRAM if proto == IPPROTO_UDP else SOCK_STREAM)
    proto = proto or {SOCK_STREAM: IPPROTO_TCP, SOCK_DGRAM: IPPROTO_UDP}.get(type, 0)
    name = _text(host) if flags & AI_CANONNAME and host else ""
    infos = []
    for address in addresses:
        family = AF_INET6 if ":" in address else AF_INET
        infos.append((family, type, proto, name, _sockaddr(family, address, port)))
        name = ""
    return infos


def _sockaddr(family, host, port):
    return (host, port, 0, 0) if family == AF_INET6 else (host, port)


def getaddrinfo(host, port, family=0, type=0, proto=0, flags=0):
    if family not in (AF_UNSPEC, AF_INET, AF_INET6):
        raise gaierror(EAI_FAMILY, "ai_family not supported")
    addresses = numeric_addresses(host, family, flags)
    if addresses is None:
        addresses = resolve(host, family)
    return address_infos(addresses, port, type, proto, flags, host)


def getnameinfo(sockaddr, flags, /):
    if not isinstance(sockaddr, tuple):
        raise TypeError("getnameinfo() argument 1 must be a tuple")
    if not 2 <= len(sockaddr) <= 4:
        raise TypeError("getnameinfo(): illegal sockaddr argument")
    host, port = sockaddr[:2]
    if _family_of(host) is None:
        raise gaierror(EAI_NONAME, "Name or service not known")
    if flags & NI_NAMEREQD:
        raise gaierror(EAI_NONAME, "Name or service not known")
    return host, str(port)


def gethostbyname(host, /):
    return resolve(host, AF_INET)[0]


def gethostbyname_ex(host, /):
    return host, [], resolve(host, AF_INET)


def gethostbyaddr(host, /):
    _require_network()
    raise herror(1, "Unknown host")


def gethostname():
    return _OWN_NAME


def getservbyname(name, protocol=None, /):
    if name not in _SERVICES:
        raise OSError("service/proto not found")
    return _SERVICES[name]


def getservbyport(port, protocol=None, /):
    if not 0 <= port <= 0xFFFF:
        raise OverflowError("getservbyport: port must be 0-65535.")
    for name, number in _SERVICES.items():
        if number == port:
            return name
    raise OSError("port/proto not found")


def getprotobyname(name, /):
    return {"ip": 0, "icmp": 1, "tcp": 6, "udp": 17}[name]


# Numbers.


def htons(x, /):
    return int.from_bytes(x.to_bytes(2, "big"), "little")


def htonl(x, /):
    return int.from_bytes(x.to_bytes(4, "big"), "little")


ntohs, ntohl = htons, htonl


def inet_aton(text, /):
    parts = text.split(".")
    try:
        if len(parts) == 4:
            return bytes(int(part) for part in parts)
    except ValueError:
        pass
    raise OSError("illegal IP address string passed to inet_aton")


def inet_ntoa(packed, /):
    if len(packed) != 4:
        raise ValueError("packed IP wrong length")
    return ".".join(map(str, packed))


def inet_pton(family, text, /):
    import ipaddress

    try:
        if family == AF_INET:
            return ipaddress.IPv4Address(text).packed
        if family == AF_INET6 and "%" not in text:
            return ipaddress.IPv6Address(text).packed
    except ValueError:
        pass
    if family not in (AF_INET, AF_INET6):
        raise OSError(errno.EAFNOSUPPORT, "unknown address family")
    raise OSError("illegal IP address string passed to inet_pton")


def inet_ntop(family, packed, /):
    import ipaddress

    kinds = {AF_INET: ipaddress.IPv4Address, AF_INET6: ipaddress.IPv6Address}
    if family not in kinds:
        raise ValueError(f"unknown address family {family}")
    try:
        return str(kinds[family](bytes(packed)))
    except ValueError:
        raise ValueError("invalid length of packed IP address string") from None
