"""Reads certificates into what `ssl.SSLSocket.getpeercert` answers with."""

import ipaddress

_ATTRIBUTES = {
    "2.5.4.3": "commonName",
    "2.5.4.4": "surname",
    "2.5.4.5": "serialNumber",
    "2.5.4.6": "countryName",
    "2.5.4.7": "localityName",
    "2.5.4.8": "stateOrProvinceName",
    "2.5.4.9": "streetAddress",
    "2.5.4.10": "organizationName",
    "2.5.4.11": "organizationalUnitName",
    "2.5.4.15": "businessCategory",
    "2.5.4.17": "postalCode",
    "1.2.840.113549.1.9.1": "emailAddress",
    "0.9.2342.19200300.100.1.25": "domainComponent",
    "1.3.6.1.4.1.311.60.2.1.3": "jurisdictionCountryName",
    "1.3.6.1.4.1.311.60.2.1.2": "jurisdictionStateOrProvinceName",
}

_MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split()

_TEXT = {0x0C: "utf-8", 0x1E: "utf-16-be", 0x1C: "utf-32-be"}


def describe(der):
    """The dictionary for a certificate in DER."""
    outer, _ = _take(der, 0x30)
    certificate, _ = _take(outer, 0x30)
    parts = list(_each(certificate))
    version = 1
    if parts[0][0] == 0xA0:
        version = int.from_bytes(_take(parts.pop(0)[1], 0x02)[0]) + 1
    serial, _, issuer, validity, subject, _, *rest = (value for _, value in parts)
    not_before, not_after = (_time(tag, value) for tag, value in _each(validity))
    serial = f"{int.from_bytes(serial):X}"
    described = {
        "subject": _name(subject),
        "issuer": _name(issuer),
        "version": version,
        "serialNumber": serial if len(serial) % 2 == 0 else "0" + serial,
        "notBefore": not_before,
        "notAfter": not_after,
    }
    found = _extensions(parts)
    if "2.5.29.17" in found:
        names, _ = _take(found["2.5.29.17"], 0x30)
        described["subjectAltName"] = tuple(_general_name(*name) for name in _each(names))
    for name, uris in (
        ("OCSP", _access(found, "1.3.6.1.5.5.7.48.1")),
        ("caIssuers", _access(found, "1.3.6.1.5.5.7.48.2")),
        ("crlDistributionPoints", _distribution_points(found)),
    ):
        if uris:
            described[name] = uris
    return described


def is_authority(der):
    """Whether the certificate in DER may sign others."""
    outer, _ = _take(der, 0x30)
    certificate, _ = _take(outer, 0x30)
    parts = list(_each(certificate))
    is_first_version = parts[0][0] != 0xA0
    if not is_first_version:
        del parts[0]
    constraints = _extensions(parts).get("2.5.29.19")
    if constraints is None:
        # The first version could not say: who signs itself, may.
        return is_first_version and parts[2] == parts[4]
    return any(tag == 1 and any(value) for tag, value in _each(_take(constraints, 0x30)[0]))


def split(data):
    """The certificates, one after the other, in `data`."""
    found = []
    while data:
        tag, _, rest = _next(data)
        if tag != 0x30:
            raise ValueError("this is not a certificate in DER")
        found.append(data[: len(data) - len(rest)])
        data = rest
    return found


def _extensions(parts):
    """The contents of a certificate's extensions by their identifiers."""
    found = {}
    for tag, value in parts[6:]:
        if tag == 0xA3:
            for _, extension in _each(_take(value, 0x30)[0]):
                fields = list(_each(extension))
                found.setdefault(_oid(fields[0][1]), fields[-1][1])
    return found


def _access(extensions, method):
    """Where a certificate says that something is to be had by `method`."""
    places, _ = _take(extensions.get("1.3.6.1.5.5.7.1.1", b"\x30\x00"), 0x30)
    uris = []
    for _, place in _each(places):
        (_, oid), (tag, value) = _each(place)
        if _oid(oid) == method and tag == 0x86:
            uris.append(value.decode("latin-1"))
    return tuple(uris)


def _distribution_points(extensions):
    points, _ = _take(extensions.get("2.5.29.31", b"\x30\x00"), 0x30)
    uris = []
    for _, point in _each(points):
        for tag, name in _each(point):
            # A full name, which is a list of general names.
            for inner, value in _each(name) if tag == 0xA0 else ():
                if inner == 0xA0:
                    uris += (uri.decode("latin-1") for kind, uri in _each(value) if kind == 0x86)
    return tuple(uris)


def _general_name(tag, value):
    match tag:
        case 0x81:
            return "email", value.decode("latin-1")
        case 0x82:
            return "DNS", value.decode("latin-1")
        case 0x86:
            return "URI", value.decode("latin-1")
        case 0x87 if len(value) in (4, 16):
            return "IP Address", _address(value)
        case 0x88:
            return "Registered ID", _oid(value)
        case 0xA4:
            return "DirName", _name(_take(value, 0x30)[0])
        case _:
            return "othername", "<unsupported>"


def _address(value):
    if len(value) == 4:
        return str(ipaddress.IPv4Address(value))
    # Not shortened: OpenSSL writes all eight groups.
    return ":".join(f"{int.from_bytes(value[i : i + 2]):X}" for i in range(0, 16, 2))


def _name(value):
    names = []
    for _, relative in _each(value):
        pairs = []
        for _, pair in _each(relative):
            (_, oid), (tag, text) = _each(pair)
            oid = _oid(oid)
            pairs.append((_ATTRIBUTES.get(oid, oid), text.decode(_TEXT.get(tag, "latin-1"))))
        names.append(tuple(pairs))
    return tuple(names)


def _time(tag, value):
    text = value.decode("ascii")
    if tag == 0x17:
        text = ("20" if text < "50" else "19") + text
    month = _MONTHS[int(text[4:6]) - 1]
    day = int(text[6:8])
    return f"{month} {day:2} {text[8:10]}:{text[10:12]}:{text[12:14]} {text[:4]} GMT"


def _oid(value):
    numbers, number = [], 0
    for byte in value:
        number = number << 7 | byte & 0x7F
        if not byte & 0x80:
            numbers.append(number)
            number = 0
    first = min(numbers[0] // 40, 2)
    return ".".join(map(str, [first, numbers[0] - 40 * first, *numbers[1:]]))


def _each(data):
    """The elements of `data`: tags and values."""
    while data:
        tag, value, data = _next(data)
        yield tag, value


def _take(data, wanted):
    """The value of the first element, which must have the tag `wanted`."""
    tag, value, rest = _next(data)
    if tag != wanted:
        raise ValueError("this is not a certificate in DER")
    return value, rest


def _next(data):
    if len(data) < 2:
        raise ValueError("the certificate is cut off")
    length, start = data[1], 2
    if length & 0x80:
        start += length & 0x7F
        length = int.from_bytes(data[2:start])
    if start + length > len(data):
        raise ValueError("the certificate is cut off")
    return data[0], data[start : start + length], data[start + length :]
