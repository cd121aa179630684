"""Sessions of TLS, on a socket or in memory, and what a program sees of the peer."""

import time
import weakref

import _eryx_net
from _eryx_descriptors import MOST_BYTES, READ, WRITE, descriptor_of
from _eryx_failures import LIMIT, WANT_READ, WANT_WRITE, Failure
from _eryx_ssl_errors import SSLError, error_of, invalid, library_error
from _ssl_constants import *

# Rustls's names, OpenSSL's and the bits of the key.
CIPHERS = {
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
        if failure.args[0] != LIMIT:
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
            raise error_of(failure, self.server_hostname) from None

    def _descriptor(self):
        sock = self._sock()
        if sock is None:
            raise SSLError(SSL_ERROR_NO_SOCKET, "Underlying socket connection gone")
        return descriptor_of(sock.fileno())

    def _do(self, function, *arguments):
        """Call the host until it has an answer, as the socket's timeout allows."""
        if self._session is None:
            raise invalid("the handshake has not begun, or the session is over")
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
                    raise error_of(failure, self.server_hostname) from None
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
                        raise error_of(failure, self.server_hostname) from None
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
        name, bits = CIPHERS.get(agreed[1], (agreed[1], 0))
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
        raise library_error("EXTENSION_NOT_RECEIVED", "the sandbox is never a server")
