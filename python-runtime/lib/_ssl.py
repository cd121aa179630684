"""The C module `_ssl`, in the guest: TLS that the host does. The standard `ssl`
lies on top, as it is.

Whom to trust is the host's affair. Certificates that a program loads are kept to
be looked at; they neither add to nor take from what the host trusts.
"""

import errno
import os
import re
import time
import weakref

import _eryx_net
import _eryx_socket
from _eryx_socket import MOST_BYTES, READ, WRITE, WANT_READ, WANT_WRITE, Failure
from _ssl_constants import *

# Programs look at how it begins.
OPENSSL_VERSION = "OpenSSL 3.0.0 is what this is like: TLS is rustls, in the sandbox's host"
OPENSSL_VERSION_INFO = (3, 0, 0, 0, 0)
OPENSSL_VERSION_NUMBER = 0x30000000
_OPENSSL_API_VERSION = OPENSSL_VERSION_INFO
_DEFAULT_CIPHERS = "@SECLEVEL=2:ECDH+AESGCM:ECDH+CHACHA20"

# Rustls's names, OpenSSL's and the bits of the key.
_CIPHERS = {
    "TLS13_AES_256_GCM_SHA384": ("TLS_AES_256_GCM_SHA384", 256),
    "TLS13_CHACHA20_POLY1305_SHA256": ("TLS_CHACHA20_POLY1305_SHA256", 256),
    "TLS13_AES_128_GCM_SHA256": ("TLS_AES_128_GCM_SHA256", 128),
    "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384": ("ECDHE-ECDSA-AES256-GCM-SHA384", 256),
    "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384": ("ECDHE-RSA-AES256-GCM-SHA384", 256),
    "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256": ("ECDHE-ECDSA-AES128-GCM-SHA256", 128),
    "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256": ("ECDHE-RSA-AES128-GCM-SHA256", 128),
    "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256": ("ECDHE-ECDSA-CHACHA20-POLY1305", 256),
    "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256": ("ECDHE-RSA-CHACHA20-POLY1305", 256),
}

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


def _error(failure, hostname):
    """The exception that CPython's own module would raise."""
    code, message = failure.args
    if code == WANT_READ:
        return SSLWantReadError(SSL_ERROR_WANT_READ, "The operation did not complete (read)")
    if code == WANT_WRITE:
        return SSLWantWriteError(SSL_ERROR_WANT_WRITE, "The operation did not complete (write)")
    if code == _eryx_socket.TRUNCATED:
        return SSLEOFError(SSL_ERROR_EOF, "EOF occurred in violation of protocol")
    if code == _eryx_socket.CERTIFICATE:
        return _verification_error(message, hostname)
    if code == _eryx_socket.PROTOCOL:
        return _library_error("TLS_FAILURE", message)
    return _eryx_socket.os_error(failure)


def _library_error(reason, message, kind=SSLError):
    error = kind(SSL_ERROR_SSL, f"[SSL: {reason}] {message}")
    error.library, error.reason = "SSL", reason
    return error


def _verification_error(message, hostname):
    number, said = 1, message
    for part, code, text in _VERIFICATION:
        if part in message:
            number, said = code, text.format(hostname)
            break
    error = _library_error(
        "CERTIFICATE_VERIFY_FAILED",
        f"certificate verify failed: {said}",
        SSLCertVerificationError,
    )
    error.verify_code, error.verify_message = number, said
    return error


def _invalid(text):
    return _library_error("INVALID_ARGUMENT", text)


class MemoryBIO:
    """Bytes in memory."""

    def __init__(self):
        self._bytes = bytearray()
        self._ended = False

    def read(self, size=-1, /):
        if size < 0 or size > len(self._bytes):
            size = len(self._bytes)
        data = bytes(memoryview(self._bytes)[:size])
        del self._bytes[:size]
        return data

    def write(self, data, /):
        if self._ended:
            raise SSLError("cannot write() after write_eof()")
        with memoryview(data) as view:
            if not view.c_contiguous:
                raise BufferError("underlying buffer is not C-contiguous")
            with view.cast("B") as bytes_:
                self._bytes += bytes_
                return len(bytes_)

    def write_eof(self):
        self._ended = True

    @property
    def pending(self):
        return len(self._bytes)

    @property
    def eof(self):
        return self._ended and not self._bytes


class SSLSession:
    """Sessions are resumed by the host, within a run: there is nothing here."""

    id, time, timeout, ticket_lifetime_hint, has_ticket = b"", 0, 0, 0, False


class Certificate:
    """A certificate of the peer."""

    def __new__(cls, *arguments):
        raise TypeError(f"cannot create '_ssl.{cls.__name__}' instances")

    @classmethod
    def _of(cls, der):
        self = object.__new__(cls)
        self._der = der
        return self

    def public_bytes(self, format=ENCODING_PEM):
        if format == ENCODING_DER:
            return self._der
        import ssl

        return ssl.DER_cert_to_PEM_cert(self._der)

    def get_info(self):
        import _eryx_x509

        return _eryx_x509.describe(self._der)

    def __eq__(self, other):
        return isinstance(other, Certificate) and self._der == other._der

    def __hash__(self):
        return hash(self._der)


# Bytes of records that a session in memory holds in either direction.
_MOST_FED = 1 << 18


def _tls_open(wanted):
    """Begin a session. Of those that count, some may be for nobody any more."""
    try:
        return _eryx_net.tls_open(*wanted)
    except Failure as failure:
        if failure.args[0] != _eryx_socket.LIMIT:
            raise
    import gc

    gc.collect()
    return _eryx_net.tls_open(*wanted)


class _SSLSocket:
    """A session: on a socket, or between two `MemoryBIO`."""

    def __init__(self, context, sock, bios, hostname, owner):
        self.context = context
        self.server_side = False
        self.server_hostname = hostname
        self.owner = owner
        self.session = None
        self._sock = None if sock is None else weakref.ref(sock)
        self._bios = bios
        self._session = None
        self._ended = False

    @property
    def session_reused(self):
        return self._agreed()[3] if self._session is not None else False

    def __del__(self):
        if getattr(self, "_session", None) is not None:
            _eryx_net.tls_close(self._session)

    def _open(self):
        context = self.context
        connection = None
        if self._sock is not None:
            connection = self._descriptor().require_connection()
        wanted = (
            connection,
            self.server_hostname,
            context._protocols,
            *context._versions(),
            context._verify_mode != CERT_NONE,
        )
        try:
            self._session = _tls_open(wanted)
        except Failure as failure:
            raise _error(failure, self.server_hostname) from None

    def _descriptor(self):
        sock = self._sock()
        if sock is None:
            raise SSLError(SSL_ERROR_NO_SOCKET, "Underlying socket connection gone")
        return _eryx_socket.descriptor_of(sock.fileno())

    def _do(self, function, *arguments):
        """Call the host until it has an answer, as the socket's timeout allows."""
        if self._session is None:
            raise _invalid("the handshake has not begun, or the session is over")
        if self._bios is not None:
            return self._do_in_memory(function, arguments)
        end = None
        while True:
            try:
                return function(self._session, *arguments)
            except Failure as failure:
                code = failure.args[0]
                timeout = self._sock().gettimeout() if code in (WANT_READ, WANT_WRITE) else 0
                if timeout == 0:
                    raise _error(failure, self.server_hostname) from None
            if end is None and timeout is not None:
                end = time.monotonic() + timeout
            if not self._descriptor().wait(READ if code == WANT_READ else WRITE, end):
                what = "read" if code == WANT_READ else "write"
                raise TimeoutError(f"The {what} operation timed out")

    def _do_in_memory(self, function, arguments):
        while True:
            self._feed()
            try:
                return function(self._session, *arguments)
            except Failure as failure:
                # Bytes that were left over, or that have been fed just now, may
                # be what was wanted.
                if failure.args[0] != WANT_READ or not self._bios[0].pending:
                    if failure.args[0] != WANT_WRITE or not self._drain():
                        raise _error(failure, self.server_hostname) from None
            finally:
                self._drain()

    def _feed(self):
        incoming = self._bios[0]
        if incoming.pending:
            front = bytes(memoryview(incoming._bytes)[:_MOST_FED])
            taken = _eryx_net.tls_feed(self._session, front)
            del incoming._bytes[:taken]
        if incoming.eof and not self._ended:
            self._ended = True
            _eryx_net.tls_feed_end(self._session)

    def _drain(self):
        drained = False
        while records := _eryx_net.tls_drain(self._session, _MOST_FED):
            self._bios[1].write(records)
            drained = True
        return drained

    def do_handshake(self):
        if self._session is None:
            self._open()
        self._do(_eryx_net.tls_handshake)

    def read(self, size, buffer=None, /):
        if buffer is not None:
            with memoryview(buffer) as view, view.cast("B") as room:
                limit = len(room) if not 0 < size <= len(room) else size
                data = self._read(limit)
                room[: len(data)] = data
                return len(data)
        if size < 0:
            raise ValueError("size should not be negative")
        return self._read(size)

    def _read(self, size):
        if size == 0:
            return b""
        return self._do(_eryx_net.tls_receive, min(size, MOST_BYTES))

    def write(self, data, /):
        with memoryview(data) as view, view.cast("B") as bytes_:
            if self._bios is None and len(bytes_):
                return self._do(_eryx_net.tls_send, bytes_)
            # In memory there is room for all of it, and asyncio copies what is not taken.
            sent = 0
            while sent < len(bytes_):
                sent += self._do(_eryx_net.tls_send, bytes_[sent:])
            return sent

    def pending(self):
        if self._session is None:
            return 0
        try:
            return _eryx_net.tls_pending(self._session)
        except Failure:
            return 0

    def shutdown(self):
        if self._session is None:
            raise ValueError("the session is over")
        self._do(_eryx_net.tls_shut_down)
        session, self._session = self._session, None
        _eryx_net.tls_close(session)
        return self._sock() if self._bios is None else None

    def _agreed(self):
        if self._session is None:
            return None
        try:
            return _eryx_net.tls_agreed(self._session)
        except Failure:
            return None

    def version(self):
        agreed = self._agreed()
        return agreed and ("TLSv1.2", "TLSv1.3")[agreed[0]]

    def cipher(self):
        agreed = self._agreed()
        if agreed is None:
            return None
        name, bits = _CIPHERS.get(agreed[1], (agreed[1], 0))
        return name, self.version(), bits

    def shared_ciphers(self):
        return None

    def compression(self):
        return None

    def selected_alpn_protocol(self):
        agreed = self._agreed()
        return agreed[2].decode("ascii", "replace") if agreed and agreed[2] is not None else None

    def _certificates(self):
        if self._agreed() is None:
            raise ValueError("handshake not done yet")
        return _eryx_net.tls_certificates(self._session)

    def getpeercert(self, der=False, /):
        certificates = self._certificates()
        if not certificates:
            return None
        if der:
            return certificates[0]
        if self.context._verify_mode == CERT_NONE:
            return {}
        import _eryx_x509

        return _eryx_x509.describe(certificates[0])

    def get_verified_chain(self):
        return self.get_unverified_chain()

    def get_unverified_chain(self):
        return [Certificate._of(der) for der in self._certificates()]

    def get_channel_binding(self, cb_type="tls-unique"):
        if cb_type != "tls-unique":
            raise ValueError(f"{cb_type} channel binding type not implemented")
        return None

    def verify_client_post_handshake(self):
        raise _library_error("EXTENSION_NOT_RECEIVED", "the sandbox is never a server")


def _deprecated(what):
    import warnings

    warnings.warn(f"ssl.{what} deprecated", DeprecationWarning, stacklevel=4)


# Protocols of one version each, and that version.
_ONE_VERSION = {
    PROTOCOL_TLSv1: PROTO_TLSv1,
    PROTOCOL_TLSv1_1: PROTO_TLSv1_1,
    PROTOCOL_TLSv1_2: PROTO_TLSv1_2,
}
_PROTOCOLS = {
    PROTOCOL_TLS: "TLS",
    PROTOCOL_TLSv1: "TLSv1",
    PROTOCOL_TLSv1_1: "TLSv1_1",
    PROTOCOL_TLSv1_2: "TLSv1_2",
}
_OLD_OPTIONS = OP_NO_SSLv3 | OP_NO_TLSv1 | OP_NO_TLSv1_1 | OP_NO_TLSv1_2 | OP_NO_TLSv1_3
_OLD_VERSIONS = {PROTO_SSLv3: "SSLv3", PROTO_TLSv1: "TLSv1", PROTO_TLSv1_1: "TLSv1_1"}


class _SSLContext:
    """What a program wants of its sessions."""

    def __new__(cls, protocol=PROTOCOL_TLS, *unused):
        if protocol in _PROTOCOLS:
            _deprecated(f"PROTOCOL_{_PROTOCOLS[protocol]} is")
        elif protocol not in (PROTOCOL_TLS_CLIENT, PROTOCOL_TLS_SERVER):
            raise ValueError("invalid or unsupported protocol version")
        self = object.__new__(cls)
        self._protocol = protocol
        client = protocol == PROTOCOL_TLS_CLIENT
        self._verify_mode = CERT_REQUIRED if client else CERT_NONE
        self._check_hostname = client
        self._options = (
            OP_ALL | OP_NO_SSLv3 | OP_NO_COMPRESSION | OP_CIPHER_SERVER_PREFERENCE
            | OP_ENABLE_MIDDLEBOX_COMPAT
        )  # fmt: skip
        self._verify_flags = VERIFY_X509_TRUSTED_FIRST
        self._minimum, self._maximum = PROTO_TLSv1_2, PROTO_MAXIMUM_SUPPORTED
        if protocol in _ONE_VERSION:
            self._minimum = self._maximum = _ONE_VERSION[protocol]
        self._protocols = []
        # Certificates, and whether they may sign others.
        self._loaded = {}
        self._host_flags = HOSTFLAG_NO_PARTIAL_WILDCARDS
        self._callback = None
        self.sni_callback = None
        self.post_handshake_auth = False
        self._num_tickets = 2
        return self

    protocol = property(lambda self: self._protocol)
    security_level = property(lambda self: 2)

    @property
    def num_tickets(self):
        return self._num_tickets

    @num_tickets.setter
    def num_tickets(self, value):
        if value < 0:
            raise ValueError("value must be non-negative")
        if self._protocol != PROTOCOL_TLS_SERVER:
            raise ValueError("SSLContext is not a server context.")
        self._num_tickets = value

    @property
    def _msg_callback(self):
        return self._callback

    @_msg_callback.setter
    def _msg_callback(self, callback):
        # Never called: the messages are the host's.
        self._callback = callback

    @property
    def keylog_filename(self):
        return None

    @keylog_filename.setter
    def keylog_filename(self, value):
        if value is not None:
            raise PermissionError(errno.EPERM, "TLS keys stay with the host")

    @property
    def verify_mode(self):
        return self._verify_mode

    @verify_mode.setter
    def verify_mode(self, mode):
        if not isinstance(mode, int):
            raise TypeError(f"'{type(mode).__name__}' object cannot be interpreted as an integer")
        if mode not in (CERT_NONE, CERT_OPTIONAL, CERT_REQUIRED):
            raise ValueError("invalid value for verify_mode")
        if mode == CERT_NONE and self._check_hostname:
            raise ValueError(
                "Cannot set verify_mode to CERT_NONE when check_hostname is enabled."
            )
        self._verify_mode = int(mode)

    @property
    def check_hostname(self):
        return self._check_hostname

    @check_hostname.setter
    def check_hostname(self, check):
        self._check_hostname = bool(check)
        if check and self._verify_mode == CERT_NONE:
            self._verify_mode = CERT_REQUIRED

    @property
    def options(self):
        return self._options

    @options.setter
    def options(self, value):
        if value < 0:
            raise OverflowError("can't convert negative int to unsigned")
        if value >= 1 << 64:
            raise OverflowError("int too big to convert")
        if value & ~self._options & _OLD_OPTIONS:
            _deprecated("OP_NO_SSL*/ssl.OP_NO_TLS* options are")
        self._options = int(value)

    @property
    def verify_flags(self):
        return self._verify_flags

    @verify_flags.setter
    def verify_flags(self, value):
        self._verify_flags = int(value)

    @property
    def minimum_version(self):
        return self._minimum

    @minimum_version.setter
    def minimum_version(self, value):
        self._minimum = self._version(value, PROTO_MINIMUM_SUPPORTED, PROTO_TLSv1_3)

    @property
    def maximum_version(self):
        return self._maximum

    @maximum_version.setter
    def maximum_version(self, value):
        self._maximum = self._version(value, PROTO_TLSv1, PROTO_MAXIMUM_SUPPORTED)

    def _version(self, value, lowest, highest):
        """A version that was set; the two that are no version are these."""
        if self._protocol in _ONE_VERSION:
            raise ValueError("The context's protocol doesn't support modification of versions")
        if value in _OLD_VERSIONS:
            _deprecated(f"TLSVersion.{_OLD_VERSIONS[value]} is")
        known = (PROTO_MINIMUM_SUPPORTED, PROTO_MAXIMUM_SUPPORTED, PROTO_SSLv3, PROTO_TLSv1,
                 PROTO_TLSv1_1, PROTO_TLSv1_2, PROTO_TLSv1_3)  # fmt: skip
        if value not in known:
            raise ValueError(f"Unsupported TLS/SSL version {value:#x}")
        named = {PROTO_MINIMUM_SUPPORTED: lowest, PROTO_MAXIMUM_SUPPORTED: highest}
        return named.get(value, int(value))

    def _versions(self):
        """The oldest and the newest version: 0 is TLS 1.2, 1 is 1.3."""
        oldest, newest = 0, 1
        if self._minimum == PROTO_TLSv1_3 or self._options & OP_NO_TLSv1_2:
            oldest = 1
        below_12 = (PROTO_SSLv3, PROTO_TLSv1, PROTO_TLSv1_1, PROTO_MINIMUM_SUPPORTED)
        if self._maximum in below_12:
            raise _library_error("UNSUPPORTED_PROTOCOL", "TLS before 1.2 is not there")
        if self._maximum == PROTO_TLSv1_2 or self._options & OP_NO_TLSv1_3:
            newest = 0
        if oldest > newest:
            raise _library_error("NO_PROTOCOLS_AVAILABLE", "no protocols available")
        return oldest, newest

    def _wrap_socket(self, sock, server_side, server_hostname=None, *, owner=None, session=None):
        return self._wrap(sock, None, server_side, server_hostname, owner)

    def _wrap_bio(
        self, incoming, outgoing, server_side, server_hostname=None, *, owner=None, session=None
    ):
        return self._wrap(None, (incoming, outgoing), server_side, server_hostname, owner)

    def _wrap(self, sock, bios, server_side, hostname, owner):
        if server_side or self._protocol == PROTOCOL_TLS_SERVER:
            raise PermissionError(errno.EPERM, "the sandbox is never a server")
        if hostname is not None and "\0" in hostname:
            raise TypeError("wrap() argument 3 must be encoded string without null bytes")
        if hostname is not None and (not hostname or hostname.startswith(".")):
            raise ValueError(
                "server_hostname cannot be an empty string or start with a leading dot."
            )
        if isinstance(hostname, str) and not hostname.isascii():
            hostname = hostname.encode("idna").decode("ascii")
        if hostname is not None and len(hostname) > _eryx_socket.MOST_NAME:
            raise ValueError("server_hostname is longer than any name")
        made = _SSLSocket(self, sock, bios, hostname, owner)
        if bios is not None and hostname is not None:
            # Here asyncio looks for all errors, and in the handshake for those of TLS.
            made._open()
        return made

    def _set_alpn_protocols(self, protocols, /):
        if len(protocols) > 0xFFFF:
            raise ValueError("protocols are longer than TLS can write")
        names, rest = [], bytes(protocols)
        while rest:
            names.append(rest[1 : 1 + rest[0]])
            rest = rest[1 + rest[0] :]
        self._protocols = names

    def set_ciphers(self, ciphers, /):
        if not isinstance(ciphers, str):
            raise TypeError("argument must be str")
        # The host chooses. Of what nobody could mean, a program is told.
        if not re.search(r"(?:^|[:,; ])[+!@-]?\w[\w+=-]*(?=$|[:,; ])", ciphers):
            raise SSLError("No cipher can be selected.")

    def get_ciphers(self):
        return [
            {
                "name": name,
                "protocol": "TLSv1.3" if name.startswith("TLS_") else "TLSv1.2",
                "strength_bits": bits,
                "alg_bits": bits,
                "aead": True,
            }
            for name, bits in _CIPHERS.values()
        ]

    def load_verify_locations(self, cafile=None, capath=None, cadata=None):
        if cafile is None and capath is None and cadata is None:
            raise TypeError("cafile, capath and cadata cannot be all omitted")
        if cafile is not None:
            with open(os.fspath(cafile), "rb") as file:
                self._load_pem(file.read().decode("latin-1"), "PEM lib")
        if capath is not None:
            if isinstance(capath, int):
                raise TypeError("capath should be a valid filesystem path")
            os.stat(capath)
        if isinstance(cadata, str):
            if not cadata.isascii():
                raise TypeError("cadata should be an ASCII string or a bytes-like object")
            self._load_pem(cadata, "no start line: cadata does not contain a certificate")
        elif cadata is not None:
            self._load_der(bytes(memoryview(cadata)))

    def _load_pem(self, text, nothing):
        """Keep the certificates in `text`; `nothing` says that there is none."""
        import binascii

        begin, end = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"
        first, *parts = text.split(begin)
        if not parts:
            raise _library_error("NO_CERTIFICATE_OR_CRL_FOUND", nothing)
        for part in parts:
            body, mark, _ = part.partition(end)
            try:
                self._load_der(binascii.a2b_base64(body))
            except ValueError:
                mark = ""
            if not mark:
                raise _library_error("PEM_LIB", "PEM lib")

    def _load_der(self, data):
        import _eryx_x509

        try:
            found = _eryx_x509.split(data)
            authorities = {der: _eryx_x509.is_authority(der) for der in found}
        except (IndexError, ValueError):
            nothing = "not enough data: cadata does not contain a certificate"
            raise _library_error("NOT_ENOUGH_DATA", nothing) from None
        self._loaded.update(authorities)

    def load_cert_chain(self, certfile, keyfile=None, password=None):
        raise PermissionError(
            errno.EPERM, "client certificates are the host's: they are set up with the network"
        )

    def load_dh_params(self, path, /):
        raise PermissionError(errno.EPERM, "the sandbox is never a server")

    def set_ecdh_curve(self, name, /):
        if not isinstance(name, (str, bytes)):
            raise TypeError(f"a curve's name is wanted, not {type(name).__name__}")
        if os.fsdecode(name) not in ("prime256v1", "secp256r1", "secp384r1", "X25519"):
            raise ValueError(f"unknown elliptic curve name {name!r}")

    def set_default_verify_paths(self):
        path = os.environ.get("SSL_CERT_FILE")
        if path and os.path.isfile(path):
            try:
                self.load_verify_locations(path)
            except OSError:
                pass

    def get_ca_certs(self, binary_form=False):
        authorities = [der for der, is_authority in self._loaded.items() if is_authority]
        if binary_form:
            return authorities
        import _eryx_x509

        return [_eryx_x509.describe(der) for der in authorities]

    def cert_store_stats(self):
        return {"x509": len(self._loaded), "crl": 0, "x509_ca": sum(self._loaded.values())}

    def session_stats(self):
        names = ("number", "connect", "connect_good", "connect_renegotiate", "accept",
                 "accept_good", "accept_renegotiate", "hits", "misses", "timeouts", "cache_full")  # fmt: skip
        return dict.fromkeys(names, 0)


def _test_decode_cert(path, /):
    import _eryx_x509
    import ssl

    with open(path) as file:
        _, begin, rest = file.read().partition(ssl.PEM_HEADER)
        body, end, _ = rest.partition(ssl.PEM_FOOTER)
        return _eryx_x509.describe(ssl.PEM_cert_to_DER_cert(begin + body + end))


def get_default_verify_paths():
    return "SSL_CERT_FILE", "/etc/ssl/cert.pem", "SSL_CERT_DIR", "/etc/ssl/certs"


def RAND_status():
    return True


def RAND_add(data, entropy, /):
    pass


def RAND_bytes(count, /):
    return os.urandom(count)


_OBJECTS = {
    129: ("serverAuth", "TLS Web Server Authentication", "1.3.6.1.5.5.7.3.1"),
    130: ("clientAuth", "TLS Web Client Authentication", "1.3.6.1.5.5.7.3.2"),
    13: ("CN", "commonName", "2.5.4.3"),
}


def nid2obj(nid, /):
    if nid not in _OBJECTS:
        raise ValueError(f"unknown NID {nid}")
    return nid, *_OBJECTS[nid]


def txt2obj(txt, name=False):
    for nid, names in _OBJECTS.items():
        if txt == names[2] or (name and txt in names):
            return nid, *names
    raise ValueError(f"unknown object '{txt[:100]}'")
