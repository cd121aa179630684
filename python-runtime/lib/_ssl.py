"""The C module `_ssl`, in the guest: TLS that the host does. The standard `ssl`
lies on top, as it is.

Whom to trust is the host's affair. Certificates that a program loads are kept to
be looked at; they neither add to nor take from what the host trusts.
"""

import os

from _eryx_ssl_context import _SSLContext
from _eryx_ssl_errors import (
    SSLCertVerificationError, SSLEOFError, SSLError, SSLSyscallError, SSLWantReadError,
    SSLWantWriteError, SSLZeroReturnError,
)  # fmt: skip
from _eryx_ssl_session import Certificate, MemoryBIO, SSLSession, _SSLSocket
from _ssl_constants import *

for _class in _SSLContext, Certificate, MemoryBIO, SSLSession, _SSLSocket:
    _class.__module__ = "_ssl"

# Programs look at how it begins.
OPENSSL_VERSION = "OpenSSL 3.0.0 is what this is like: TLS is rustls, in the sandbox's host"
OPENSSL_VERSION_INFO = (3, 0, 0, 0, 0)
OPENSSL_VERSION_NUMBER = 0x30000000
_OPENSSL_API_VERSION = OPENSSL_VERSION_INFO
_DEFAULT_CIPHERS = "@SECLEVEL=2:ECDH+AESGCM:ECDH+CHACHA20"


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
