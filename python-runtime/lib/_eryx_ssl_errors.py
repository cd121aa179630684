"""The exceptions of `_ssl`, and which of them is what the host says."""

from _eryx_failures import CERTIFICATE, PROTOCOL, TRUNCATED, WANT_READ, WANT_WRITE, os_error
from _ssl_constants import *

# Part of rustls's message, X509_V_ERR_*, and what OpenSSL says.
_VERIFICATION = (
    ("UnknownIssuer", 20, "unable to get local issuer certificate"),
    ("Expired", 10, "certificate has expired"),
    ("NotValidYet", 9, "certificate is not yet valid"),
    ("expired", 10, "certificate has expired"),
    ("not valid yet", 9, "certificate is not yet valid"),
    ("not valid for", 62, "Hostname mismatch, certificate is not valid for '{}'."),
    ("NotValidForName", 62, "Hostname mismatch, certificate is not valid for '{}'."),
    ("CaUsedAsEndEntity", 18, "self-signed certificate"),
    ("Revoked", 23, "certificate revoked"),
)


class SSLError(OSError):
    """An error occurred in the SSL implementation."""

    library = reason = None

    def __str__(self):
        return str(self.args[1]) if len(self.args) > 1 else super().__str__()


class SSLZeroReturnError(SSLError):
    """SSL/TLS session closed cleanly."""


class SSLWantReadError(SSLError):
    """Non-blocking SSL socket needs to read more data before the requested operation can be completed."""


class SSLWantWriteError(SSLError):
    """Non-blocking SSL socket needs to write more data before the requested operation can be completed."""


class SSLSyscallError(SSLError):
    """System error when attempting SSL operation."""


class SSLEOFError(SSLError):
    """SSL/TLS connection terminated abruptly."""


class SSLCertVerificationError(SSLError, ValueError):
    """A certificate could not be verified."""

    verify_code = 0
    verify_message = ""


for _class in (SSLError, SSLZeroReturnError, SSLWantReadError, SSLWantWriteError,
               SSLSyscallError, SSLEOFError, SSLCertVerificationError):  # fmt: skip
    _class.__module__ = "ssl"


def error_of(failure, hostname):
    """The exception that CPython's own module would raise."""
    code, message = failure.args
    if code == WANT_READ:
        return SSLWantReadError(SSL_ERROR_WANT_READ, "The operation did not complete (read)")
    if code == WANT_WRITE:
        return SSLWantWriteError(SSL_ERROR_WANT_WRITE, "The operation did not complete (write)")
    if code == TRUNCATED:
        return SSLEOFError(SSL_ERROR_EOF, "EOF occurred in violation of protocol")
    if code == CERTIFICATE:
        return _verification_error(message, hostname)
    if code == PROTOCOL:
        return library_error("TLS_FAILURE", message)
    return os_error(failure)


def library_error(reason, message, kind=SSLError):
    error = kind(SSL_ERROR_SSL, f"[SSL: {reason}] {message}")
    error.library, error.reason = "SSL", reason
    return error


def _verification_error(message, hostname):
    number, said = 1, message
    for part, code, text in _VERIFICATION:
        if part in message:
            number, said = code, text.format(hostname)
            break
    error = library_error(
        "CERTIFICATE_VERIFY_FAILED",
        f"certificate verify failed: {said}",
        SSLCertVerificationError,
    )
    error.verify_code, error.verify_message = number, said
    return error


def invalid(text):
    return library_error("INVALID_ARGUMENT", text)
