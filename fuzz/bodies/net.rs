//! What holds for any rule and any address. Only the public face of `eryx-net`
//! is used, and nothing that it decides by.

use eryx_net::{AddressClass, HostName, NetRule};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A text is refused, or written as it was read.
pub(crate) fn rule(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok(rule) = text.parse::<NetRule>() {
        let written = rule.to_string();
        assert_eq!(written.parse(), Ok(rule), "{text:?} is written as {written:?}");
    }
    if let Ok(name) = text.parse::<HostName>() {
        let own = name.as_str();
        assert_eq!(own.parse().as_ref(), Ok(&name));
        assert!(own.len() <= 253 && !own.ends_with('.'), "{own:?}");
        assert!(!own.bytes().any(|byte| byte.is_ascii_uppercase()), "{own:?}");
        assert_eq!(inet_aton(own), None, "{text:?} is taken for a name");
        assert!(own.parse::<IpAddr>().is_err(), "{text:?} is taken for a name");
    }
}

/// How C reads an IPv4 address: one to four numbers, decimal, octal or
/// hexadecimal, the last one filling what is left.
fn inet_aton(text: &str) -> Option<u32> {
    let parts: Vec<u64> = text.split('.').map(number).collect::<Option<_>>()?;
    let (last, front) = parts.split_last()?;
    let free = 32_u32.checked_sub(8 * u32::try_from(front.len()).ok()?)?;
    let fits = front.iter().all(|part| *part < 256) && free > 0 && *last < 1 << free;
    let front = front.iter().fold(0, |bits, part| bits << 8 | part);
    fits.then(|| u32::try_from(front << free | last).ok()).flatten()
}

fn number(text: &str) -> Option<u64> {
    let (digits, base) = match text.strip_prefix("0x") {
        Some(digits) => (digits, 16),
        None if text.starts_with('0') => (text, 8),
        None => (text, 10),
    };
    digits.bytes().all(|byte| byte.is_ascii_hexdigit()).then_some(())?;
    u64::from_str_radix(digits, base).ok()
}

/// No address that leads elsewhere is called public.
pub(crate) fn address(bytes: &[u8]) {
    if let Ok(four) = <[u8; 4]>::try_from(bytes) {
        let address = Ipv4Addr::from(four);
        let class = AddressClass::of(address.into());
        assert_eq!(class, AddressClass::of(address.to_ipv6_mapped().into()), "{address}");
        assert!(class != AddressClass::Public || may_be_public(address), "{address}");
        for carrier in carriers(address) {
            let class = AddressClass::of(carrier.into());
            assert!(class != AddressClass::Public, "{carrier} carries {address}");
        }
        // Where all of IPv4 is reached by this prefix, the address within counts.
        let translated = Ipv6Addr::from_bits(0x64_ff9b << 96 | u128::from(address.to_bits()));
        assert_eq!(class, AddressClass::of(translated.into()), "{translated}");
    }
    if let Ok(sixteen) = <[u8; 16]>::try_from(bytes) {
        let address = Ipv6Addr::from(sixteen);
        if AddressClass::of(address.into()) == AddressClass::Public {
            if let Some(inner) = address.to_ipv4_mapped() {
                return assert!(may_be_public(inner), "{address}");
            }
            let translated = address.to_bits() >> 32 == 0x64_ff9b << 64;
            let [first, ..] = address.segments();
            assert!(translated || first & 0xe000 == 0x2000, "{address}");
            assert!(
                !address.is_loopback()
                    && !address.is_unspecified()
                    && !address.is_multicast()
                    && !address.is_unique_local()
                    && !address.is_unicast_link_local(),
                "{address}"
            );
        }
    }
}

fn may_be_public(address: Ipv4Addr) -> bool {
    let [first, second, ..] = address.octets();
    !(address.is_loopback()
        || address.is_private()
        || address.is_link_local()
        || address.is_multicast()
        || address.is_broadcast()
        || address.is_unspecified()
        || address.is_documentation()
        || first == 0
        || first >= 240
        || (first == 100 && second & 0xc0 == 64)
        || (first == 198 && second & 0xfe == 18))
}

/// Addresses by which somebody else's translator reaches this one.
fn carriers(inner: Ipv4Addr) -> [Ipv6Addr; 6] {
    let bits = u128::from(inner.to_bits());
    [
        bits,                                         // IPv4-compatible
        0xffff << 48 | bits,                          // IPv4-translated
        0x64_ff9b_0001 << 80 | bits,                  // a network's own NAT64
        0x2002 << 112 | bits << 80,                   // 6to4
        0x2001 << 112 | u128::from(!inner.to_bits()), // Teredo
        0x2a00 << 112 | 0x5efe << 32 | bits,          // ISATAP
    ]
    .map(Ipv6Addr::from_bits)
}
