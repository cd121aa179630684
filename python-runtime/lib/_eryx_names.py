"""Names of machines and services, and addresses as text."""

import errno

import _eryx_net
import _eryx_wait
from _eryx_failures import Failure, gaierror, herror, os_error, require_network
from _socket_constants import *

# Characters of a name; the host takes none that is as long.
MOST_NAME = 255


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
        require_network()
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
        infos.append((family, type, proto, name, sockaddr(family, address, port)))
        name = ""
    return infos


def sockaddr(family, host, port):
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
    require_network()
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
