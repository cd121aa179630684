"""What a program wants of its sessions of TLS."""

import errno
import os
import re

from _eryx_names import MOST_NAME
from _eryx_ssl_errors import SSLError, library_error
from _eryx_ssl_session import CIPHERS, _SSLSocket
from _ssl_constants import *

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
            raise library_error("UNSUPPORTED_PROTOCOL", "TLS before 1.2 is not there")
        if self._maximum == PROTO_TLSv1_2 or self._options & OP_NO_TLSv1_3:
            newest = 0
        if oldest > newest:
            raise library_error("NO_PROTOCOLS_AVAILABLE", "no protocols available")
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
        if hostname is not None and len(hostname) > MOST_NAME:
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
            for name, bits in CIPHERS.values()
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
            raise library_error("NO_CERTIFICATE_OR_CRL_FOUND", nothing)
        for part in parts:
            body, mark, _ = part.partition(end)
            try:
                self._load_der(binascii.a2b_base64(body))
            except ValueError:
                mark = ""
            if not mark:
                raise library_error("PEM_LIB", "PEM lib")

    def _load_der(self, data):
        import _eryx_x509

        try:
            found = _eryx_x509.split(data)
            authorities = {der: _eryx_x509.is_authority(der) for der in found}
        except (IndexError, ValueError):
            nothing = "not enough data: cadata does not contain a certificate"
            raise library_error("NOT_ENOUGH_DATA", nothing) from None
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
