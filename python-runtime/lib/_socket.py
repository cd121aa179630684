"""The C module `_socket`, in the guest: what the standard `socket` lies on."""

import _eryx_socket

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
    for name, value in vars(_eryx_socket).items()
    if name in _NAMES or name.startswith(_PREFIXES)
)
