use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What kind of place an address leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AddressClass {
    /// Somewhere on the internet: all that no other class claims.
    Public,
    /// A cloud's service that hands out credentials, such as `169.254.169.254`.
    Metadata,
    /// This machine.
    Loopback,
    /// Private networks, unique local and site-local addresses.
    Private,
    /// The network segment.
    LinkLocal,
    /// A provider's own network, `100.64.0.0/10`.
    CarrierNat,
    /// Groups and broadcast.
    Multicast,
    /// IPv6 that carries an IPv4 address through somebody else's translator:
    /// 6to4, Teredo, local NAT64, IPv4-compatible, ISATAP.
    Translated,
    /// Not in use, or for documentation and measurements.
    Reserved,
}

const METADATA_V4: [Ipv4Addr; 9] = [
    Ipv4Addr::new(169, 254, 169, 254),
    Ipv4Addr::new(169, 254, 169, 253),
    Ipv4Addr::new(169, 254, 170, 2),
    Ipv4Addr::new(169, 254, 170, 23),
    Ipv4Addr::new(169, 254, 42, 42),
    Ipv4Addr::new(169, 254, 0, 23),
    Ipv4Addr::new(100, 100, 100, 200),
    Ipv4Addr::new(168, 63, 129, 16),
    Ipv4Addr::new(192, 0, 0, 192),
];

const METADATA_V6: [Ipv6Addr; 6] = [
    Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254),
    Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x23),
    Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254),
    Ipv6Addr::new(0xfd00, 0xc1, 0, 0, 0, 0, 0xa9fe, 0xa9fe),
    Ipv6Addr::new(0xfd00, 0x42, 0, 0, 0, 0, 0, 0x42),
    Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0xa9fe, 0xa9fe),
];

/// IPv4 networks that are not the internet, the narrower before the wider.
const V4: &[(Ipv4Net, AddressClass)] = &[
    (v4(0, 0, 0, 0, 8), AddressClass::Loopback),
    (v4(127, 0, 0, 0, 8), AddressClass::Loopback),
    (v4(10, 0, 0, 0, 8), AddressClass::Private),
    (v4(172, 16, 0, 0, 12), AddressClass::Private),
    (v4(192, 168, 0, 0, 16), AddressClass::Private),
    (v4(169, 254, 0, 0, 16), AddressClass::LinkLocal),
    (v4(100, 64, 0, 0, 10), AddressClass::CarrierNat),
    (v4(224, 0, 0, 0, 4), AddressClass::Multicast),
    (v4(255, 255, 255, 255, 32), AddressClass::Multicast),
    (v4(192, 0, 0, 0, 24), AddressClass::Reserved),
    (v4(192, 0, 2, 0, 24), AddressClass::Reserved),
    (v4(192, 88, 99, 0, 24), AddressClass::Reserved),
    (v4(198, 18, 0, 0, 15), AddressClass::Reserved),
    (v4(198, 51, 100, 0, 24), AddressClass::Reserved),
    (v4(203, 0, 113, 0, 24), AddressClass::Reserved),
    (v4(240, 0, 0, 0, 4), AddressClass::Reserved),
];

/// IPv6 networks that are not the internet. Outside `2000::/3` nothing is.
const V6: &[(Ipv6Net, AddressClass)] = &[
    (v6([0, 0, 0, 0, 0, 0, 0, 0], 127), AddressClass::Loopback),
    (v6([0, 0, 0, 0, 0, 0, 0, 0], 96), AddressClass::Translated),
    (v6([0, 0, 0, 0, 0xffff, 0, 0, 0], 96), AddressClass::Translated),
    (v6([0x64, 0xff9b, 1, 0, 0, 0, 0, 0], 48), AddressClass::Translated),
    (v6([0x2002, 0, 0, 0, 0, 0, 0, 0], 16), AddressClass::Translated),
    (v6([0x2001, 0, 0, 0, 0, 0, 0, 0], 32), AddressClass::Translated),
    (v6([0xfc00, 0, 0, 0, 0, 0, 0, 0], 7), AddressClass::Private),
    (v6([0xfec0, 0, 0, 0, 0, 0, 0, 0], 10), AddressClass::Private),
    (v6([0xfe80, 0, 0, 0, 0, 0, 0, 0], 10), AddressClass::LinkLocal),
    (v6([0xff00, 0, 0, 0, 0, 0, 0, 0], 8), AddressClass::Multicast),
    (v6([0x2001, 0, 0, 0, 0, 0, 0, 0], 23), AddressClass::Reserved),
    (v6([0x2001, 0xdb8, 0, 0, 0, 0, 0, 0], 32), AddressClass::Reserved),
    (v6([0x3fff, 0, 0, 0, 0, 0, 0, 0], 20), AddressClass::Reserved),
    (v6([0x5f00, 0, 0, 0, 0, 0, 0, 0], 16), AddressClass::Reserved),
];

const ALL_V4: Ipv4Net = v4(0, 0, 0, 0, 0);
const ALL_V6: Ipv6Net = v6([0, 0, 0, 0, 0, 0, 0, 0], 0);

const fn v4(a: u8, b: u8, c: u8, d: u8, length: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), length)
}

const fn v6(s: [u16; 8], length: u8) -> Ipv6Net {
    Ipv6Net::new_assert(Ipv6Addr::new(s[0], s[1], s[2], s[3], s[4], s[5], s[6], s[7]), length)
}

/// The address that is reached by `address`: IPv4 in its IPv6 clothes
/// (`::ffff:0:0/96`) becomes IPv4.
pub(crate) fn canonical(address: IpAddr) -> IpAddr {
    address.to_canonical()
}

impl AddressClass {
    /// Says what `address` is.
    ///
    /// ```
    /// use eryx_net::AddressClass;
    ///
    /// let class = |text: &str| AddressClass::of(text.parse().unwrap());
    /// assert_eq!(class("1.1.1.1"), AddressClass::Public);
    /// assert_eq!(class("::ffff:10.0.0.1"), AddressClass::Private);
    /// assert_eq!(class("169.254.169.254"), AddressClass::Metadata);
    /// ```
    pub fn of(address: IpAddr) -> Self {
        Place::of(address).class
    }
}

/// What an address is, and the widest network around it that is nothing else:
/// who grants that network, or a part of it, means such addresses.
pub(super) struct Place {
    pub(super) class: AddressClass,
    pub(super) network: IpNet,
}

impl Place {
    pub(super) fn of(address: IpAddr) -> Self {
        match canonical(address) {
            IpAddr::V4(address) => {
                let (class, network) = of_v4(address);
                Self { class, network: network.into() }
            }
            IpAddr::V6(address) => {
                let (class, network) = of_v6(address);
                Self { class, network: network.into() }
            }
        }
    }
}

fn of_v4(address: Ipv4Addr) -> (AddressClass, Ipv4Net) {
    if METADATA_V4.contains(&address) {
        return (AddressClass::Metadata, address.into());
    }
    let known = V4.iter().find(|(network, _)| network.contains(&address));
    known.map_or((AddressClass::Public, ALL_V4), |(network, class)| (*class, *network))
}

fn of_v6(address: Ipv6Addr) -> (AddressClass, Ipv6Net) {
    if METADATA_V6.contains(&address) {
        return (AddressClass::Metadata, address.into());
    }
    // The well-known NAT64 prefix: where a network has only IPv6, this is how
    // all of IPv4 is reached, so what counts is the address within.
    if let [0x64, 0xff9b, 0, 0, 0, 0, high, low] = address.segments() {
        let (class, network) = of_v4(Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low)));
        return (class, translated(network));
    }
    if let Some((network, class)) = V6.iter().find(|(network, _)| network.contains(&address)) {
        return (*class, *network);
    }
    match address.segments() {
        // ISATAP: the interface part ends in an IPv4 address.
        [_, _, _, _, 0 | 0x200, 0x5efe, _, _] => (AddressClass::Translated, address.into()),
        [0x2000..=0x3fff, ..] => (AddressClass::Public, ALL_V6),
        _ => (AddressClass::Reserved, address.into()),
    }
}

/// An IPv4 network as the well-known NAT64 prefix has it.
fn translated(network: Ipv4Net) -> Ipv6Net {
    let bits = 0x64_ff9b << 96 | u128::from(network.network().to_bits());
    let length = network.prefix_len().saturating_add(96);
    Ipv6Net::new(Ipv6Addr::from_bits(bits), length).unwrap_or(ALL_V6)
}

#[cfg(test)]
mod tests {
    use super::AddressClass::{self, *};
    use proptest::prelude::*;
    use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

    fn class(text: &str) -> AddressClass {
        AddressClass::of(text.parse().unwrap())
    }

    #[test]
    fn knows_each_kind() {
        for (text, expected) in [
            ("1.1.1.1", Public),
            ("2606:4700:4700::1111", Public),
            ("0.0.0.0", Loopback),
            ("0.1.2.3", Loopback),
            ("127.0.0.1", Loopback),
            ("127.255.0.9", Loopback),
            ("::1", Loopback),
            ("::", Loopback),
            ("10.0.0.1", Private),
            ("172.16.0.1", Private),
            ("172.31.255.255", Private),
            ("172.32.0.1", Public),
            ("192.168.1.1", Private),
            ("fd12::1", Private),
            ("fec0::1", Private),
            ("169.254.1.1", LinkLocal),
            ("fe80::1", LinkLocal),
            ("169.254.169.254", Metadata),
            ("100.100.100.200", Metadata),
            ("168.63.129.16", Metadata),
            ("fd00:ec2::254", Metadata),
            ("169.254.42.42", Metadata),
            ("fe80::a9fe:a9fe", Metadata),
            ("::ffff:169.254.169.254", Metadata),
            ("64:ff9b::169.254.169.254", Metadata),
            ("100.64.0.1", CarrierNat),
            ("100.127.255.255", CarrierNat),
            ("100.128.0.1", Public),
            ("224.0.0.1", Multicast),
            ("255.255.255.255", Multicast),
            ("ff02::1", Multicast),
            ("2002:7f00:1::", Translated),
            ("2001:0:4136:e378::", Translated),
            ("64:ff9b:1::a00:1", Translated),
            ("::7f00:1", Translated),
            ("::ffff:0:a00:1", Translated),
            ("2a00:1:2:3:0:5efe:a00:1", Translated),
            ("64:ff9b::a00:1", Private),
            ("64:ff9b::101:101", Public),
            ("192.0.2.1", Reserved),
            ("198.19.0.1", Reserved),
            ("240.0.0.1", Reserved),
            ("2001:db8::1", Reserved),
            ("3fff::1", Reserved),
            ("100::1", Reserved),
            ("4000::1", Reserved),
        ] {
            assert_eq!(class(text), expected, "{text}");
        }
    }

    fn local_address() -> impl Strategy<Value = Ipv4Addr> {
        (0..super::V4.len(), any::<u32>()).prop_map(|(number, bits)| {
            let network = super::V4[number].0;
            Ipv4Addr::from_bits(network.network().to_bits() | bits & network.hostmask().to_bits())
        })
    }

    proptest! {
        /// No way to write a local IPv4 address in IPv6 makes it public.
        #[test]
        fn no_spelling_of_a_local_address_is_public(v4 in local_address(), middle: u16) {
            prop_assert_ne!(AddressClass::of(v4.into()), Public);
            let bits = v4.to_bits();
            let (high, low) = ((bits >> 16) as u16, (bits & 0xffff) as u16);
            for v6 in [
                v4.to_ipv6_mapped(),
                Ipv6Addr::new(0, 0, 0, 0, 0, 0, high, low),
                Ipv6Addr::new(0, 0, 0, 0, 0xffff, 0, high, low),
                Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, high, low),
                Ipv6Addr::new(0x64, 0xff9b, 1, middle, 0, 0, high, low),
                Ipv6Addr::new(0x2002, high, low, middle, 0, 0, 0, 1),
                Ipv6Addr::new(0x2001, 0, high, low, middle, 0, !high, !low),
                Ipv6Addr::new(0x2a00, middle, 0, 0, 0, 0x5efe, high, low),
            ] {
                prop_assert_ne!(AddressClass::of(IpAddr::V6(v6)), Public, "{}", v6);
            }
        }

        /// The standard library's own opinion, where it has one, is never laxer.
        #[test]
        fn public_is_public_to_the_standard_library_too(bits: u32) {
            let v4 = Ipv4Addr::from_bits(bits);
            if AddressClass::of(v4.into()) == Public {
                prop_assert!(!v4.is_private() && !v4.is_loopback() && !v4.is_link_local());
                prop_assert!(!v4.is_multicast() && !v4.is_broadcast() && !v4.is_unspecified());
                prop_assert!(!v4.is_documentation());
            }
        }
    }
}
