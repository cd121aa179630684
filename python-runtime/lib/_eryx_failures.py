"""What the host says when something of the network fails, as Python's exceptions."""

import errno

import _eryx_net
from _socket_constants import EAI_AGAIN, EAI_NONAME


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


def require_network():
    import _eryx_run

    if not _eryx_run.has_extension("eryx:net"):
        raise PermissionError(errno.EPERM, "the sandbox has no network")


def refuse(what):
    require_network()
    raise PermissionError(errno.EPERM, f"the sandbox has no {what}: only TCP connections")
