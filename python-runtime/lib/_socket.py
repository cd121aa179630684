"""Stands in for the C module that WASI cannot carry, so that the modules that
import `socket` can be imported. There is no network: every use is refused."""

import errno

AF_UNSPEC, AF_INET, AF_INET6 = 0, 2, 10
SOCK_STREAM, SOCK_DGRAM = 1, 2
SOCK_NONBLOCK, SOCK_CLOEXEC = 2048, 524288
SOL_SOCKET, SOMAXCONN = 1, 128
SO_REUSEADDR, SO_ERROR, SO_BROADCAST, SO_KEEPALIVE = 2, 4, 6, 9
IPPROTO_IP, IPPROTO_TCP, IPPROTO_UDP, IPPROTO_IPV6 = 0, 6, 17, 41
TCP_NODELAY, IPV6_V6ONLY = 1, 26
SHUT_RD, SHUT_WR, SHUT_RDWR = 0, 1, 2
MSG_PEEK = 2
AI_PASSIVE, AI_CANONNAME, AI_NUMERICHOST, AI_NUMERICSERV = 1, 2, 4, 1024
AI_ADDRCONFIG, AI_V4MAPPED, AI_ALL = 32, 8, 16
EAI_AGAIN, EAI_FAIL, EAI_NONAME = -3, -4, -2
NI_NUMERICHOST, NI_NUMERICSERV = 1, 2
INADDR_ANY, INADDR_LOOPBACK = 0, 0x7F000001
has_ipv6 = False

error = OSError
timeout = TimeoutError

_default_timeout = None


class gaierror(OSError):
    pass


class herror(OSError):
    pass


def _refuse():
    raise PermissionError(errno.EPERM, "the sandbox has no network")


class socket:
    """Cannot be made."""

    __slots__ = ()

    def __init__(self, family=-1, type=-1, proto=-1, fileno=None):
        _refuse()


SocketType = socket


def _refused(name):
    def function(*args, **kwargs):
        _refuse()

    function.__name__ = function.__qualname__ = name
    return function


getaddrinfo = _refused("getaddrinfo")
getnameinfo = _refused("getnameinfo")
gethostbyname = _refused("gethostbyname")
gethostbyname_ex = _refused("gethostbyname_ex")
gethostbyaddr = _refused("gethostbyaddr")
getservbyname = _refused("getservbyname")
getservbyport = _refused("getservbyport")
socketpair = _refused("socketpair")
dup = _refused("dup")
close = _refused("close")


def gethostname():
    return "localhost"


def getdefaulttimeout():
    return _default_timeout


def setdefaulttimeout(timeout):
    global _default_timeout
    _default_timeout = None if timeout is None else float(timeout)


def htons(x):
    return int.from_bytes(x.to_bytes(2, "big"), "little")


def htonl(x):
    return int.from_bytes(x.to_bytes(4, "big"), "little")


ntohs, ntohl = htons, htonl


def inet_aton(text):
    parts = text.split(".")
    try:
        if len(parts) == 4:
            return bytes(int(part) for part in parts)
    except ValueError:
        pass
    raise OSError("illegal IP address string passed to inet_aton")


def inet_ntoa(packed):
    if len(packed) != 4:
        raise ValueError("packed IP wrong length")
    return ".".join(map(str, packed))


def inet_pton(family, text):
    import ipaddress

    kind = {AF_INET: ipaddress.IPv4Address, AF_INET6: ipaddress.IPv6Address}[family]
    try:
        return kind(text).packed
    except ValueError:
        raise OSError("illegal IP address string passed to inet_pton") from None


def inet_ntop(family, packed):
    import ipaddress

    kind = {AF_INET: ipaddress.IPv4Address, AF_INET6: ipaddress.IPv6Address}[family]
    return str(kind(bytes(packed)))
