import unittest

import fake_host

fake_host.install()

import _eryx_x509

DER_TIME = bytes.fromhex("170d3439313233313233353935395a")


def element(tag, *parts):
    value = b"".join(parts)
    length = len(value)
    size = bytes([length]) if length < 128 else bytes([0x82]) + length.to_bytes(2)
    return bytes([tag]) + size + value


def name(*attributes):
    pairs = (element(0x30, element(6, oid), element(tag, text)) for oid, tag, text in attributes)
    return element(0x30, *(element(0x31, pair) for pair in pairs))


COMMON_NAME = bytes.fromhex("550403")
UNKNOWN = bytes.fromhex("2a030405")


def certificate(names=b"", version=element(0xA0, element(2, b"\2"))):
    extension = element(0x30, element(6, bytes.fromhex("551d11")), element(4, element(0x30, names)))
    return element(
        0x30,
        element(
            0x30,
            version,
            element(2, b"\x00\xfa\xce"),
            element(0x30),
            name((COMMON_NAME, 0x0C, "é".encode())),
            element(0x30, DER_TIME, element(0x18, b"20500102030405Z")),
            name((COMMON_NAME, 0x13, b"a"), (UNKNOWN, 0x1E, "b".encode("utf-16-be"))),
            element(0x30),
            element(0xA3, element(0x30, extension)) if names else b"",
        ),
    )


class Describe(unittest.TestCase):
    def test_fields(self):
        described = _eryx_x509.describe(certificate())
        self.assertEqual(
            described,
            {
                "subject": ((("commonName", "a"),), (("1.2.3.4.5", "b"),)),
                "issuer": ((("commonName", "é"),),),
                "version": 3,
                "serialNumber": "FACE",
                "notBefore": "Dec 31 23:59:59 2049 GMT",
                "notAfter": "Jan  2 03:04:05 2050 GMT",
            },
        )

    def test_alternative_names(self):
        names = (
            element(0x82, b"a.test"),
            element(0x87, bytes([127, 0, 0, 1])),
            element(0x87, bytes(15) + b"\1"),
            element(0x81, b"a@b"),
            element(0xA0),
        )
        described = _eryx_x509.describe(certificate(b"".join(names)))
        self.assertEqual(
            described["subjectAltName"],
            (
                ("DNS", "a.test"),
                ("IP Address", "127.0.0.1"),
                ("IP Address", "0:0:0:0:0:0:0:1"),
                ("email", "a@b"),
                ("othername", "<unsupported>"),
            ),
        )

    def test_version_one(self):
        self.assertEqual(_eryx_x509.describe(certificate(version=b""))["version"], 1)

    def test_what_is_cut_off(self):
        whole = certificate(element(0x82, b"a.test"))
        for end in range(len(whole)):
            with self.assertRaises(ValueError):
                _eryx_x509.describe(whole[:end])


if __name__ == "__main__":
    unittest.main()
