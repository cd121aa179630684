"""The C module `_socket`, in the guest: what the standard `socket` lies on."""

import _eryx_descriptors
import _eryx_failures
import _eryx_names
import _eryx_socket
import _socket_constants

_PREFIXES = (
    "AF_", "AI_", "EAI_", "INADDR_", "IPPROTO_", "IPV6_", "MSG_", "NI_", "SHUT_", "SOCK_",
    "SOL_", "SOMAXCONN", "SO_", "TCP_",
)  # fmt: skip

_NAMES = {
    "SocketType", "close", "dup", "error", "gaierror", "getaddrinfo", "getdefaulttimeout",
    "gethostbyaddr", "gethostbyname", "gethostbyname_ex", "gethostname", "getnameinfo",
    "getprotobyname", "getservbyname", "getservbyport", "has_ipv6", "herror", "htonl",
    "htons", "inet_aton", "inet_ntoa", "inet_ntop", "inet_pton", "ntohl", "ntohs",
    "setdefaulttimeout", "socket", "socketpair", "timeout",
}  # fmt: skip

globals().update(
    (name, value)
    for module in (
        _socket_constants, _eryx_failures, _eryx_descriptors, _eryx_names, _eryx_socket
    )
    for name, value in vars(module).items()
    if name in _NAMES or name.startswith(_PREFIXES)
)
