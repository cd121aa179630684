//! What may be reached: plain data, parsed once and then asked.

mod address;
mod host;
mod name;
mod ports;
mod rule;

pub use address::AddressClass;
pub(crate) use address::canonical;
pub(crate) use host::Host;
pub use name::{HostName, NameError};
pub use ports::Ports;
pub use rule::{NetRule, RuleError};

use std::net::IpAddr;

/// All rules together. None of them takes away what another one gives.
#[derive(Debug, Clone, Default)]
pub(crate) struct Policy {
    rules: Vec<NetRule>,
}

impl Policy {
    pub(crate) fn add(&mut self, rule: NetRule) {
        self.rules.push(rule);
    }

    /// Whether `name` may be looked up: it is allowed at some port.
    pub(crate) fn allows_lookup(&self, name: &HostName) -> bool {
        self.rules.iter().any(|rule| rule.names(name))
    }

    /// Whether `name` may lead to `address`, at some port.
    pub(crate) fn allows_answer(&self, name: &HostName, address: IpAddr) -> bool {
        self.rules
            .iter()
            .any(|rule| rule.grants(address) || (rule.names(name) && rule.lets_lead(name, address)))
    }

    /// Whether a rule grants `address` at `port`, whatever it is called.
    pub(crate) fn grants_address(&self, address: IpAddr, port: u16) -> bool {
        self.rules.iter().any(|rule| rule.allows_port(port) && rule.grants(address))
    }

    /// Whether `name` is allowed at `port`, there being `address`.
    pub(crate) fn allows_name(&self, name: &HostName, address: IpAddr, port: u16) -> bool {
        let granted = self.grants_address(address, port);
        self.rules.iter().any(|rule| {
            rule.allows_port(port) && rule.names(name) && (granted || rule.lets_lead(name, address))
        })
    }

    /// Whether `host` is allowed at `port`, wherever it leads if it is a name.
    pub(crate) fn allows_host(&self, host: &Host, port: u16) -> bool {
        match host {
            Host::Name(name) => self.names(name, port),
            Host::Address(address) => self.grants_address(*address, port),
        }
    }

    /// Whether `host` is allowed at some port.
    pub(crate) fn mentions(&self, host: &Host) -> bool {
        self.rules.iter().any(|rule| rule.is_about(host))
    }

    /// Whether `name` is allowed at `port`, wherever it leads.
    pub(crate) fn names(&self, name: &HostName, port: u16) -> bool {
        self.rules.iter().any(|rule| rule.allows_port(port) && rule.names(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::net::Ipv4Addr;

    fn policy(rules: &[&str]) -> Policy {
        let mut policy = Policy::default();
        for rule in rules {
            policy.add(rule.parse().unwrap());
        }
        policy
    }

    fn name(text: &str) -> HostName {
        text.parse().unwrap()
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    const SOMEWHERE: IpAddr = IpAddr::V4(Ipv4Addr::new(1, 1, 1, 1));

    #[test]
    fn nothing_is_allowed_at_first() {
        let policy = Policy::default();
        assert!(!policy.allows_lookup(&name("example.com")));
        assert!(!policy.grants_address(SOMEWHERE, 443));
    }

    #[test]
    fn wildcards_stand_for_whole_labels() {
        let policy = policy(&["*.example.com"]);
        for allowed in ["a.example.com", "a.b.example.com", "A.EXAMPLE.com."] {
            assert!(policy.allows_name(&name(allowed), SOMEWHERE, 443), "{allowed}");
        }
        for refused in ["example.com", "evilexample.com", "example.com.evil.net", "xexample.com"] {
            assert!(!policy.allows_lookup(&name(refused)), "{refused}");
        }
        assert!(!policy.allows_name(&name("a.example.com"), SOMEWHERE, 80));
        assert!(!policy.grants_address(SOMEWHERE, 443));
    }

    #[test]
    fn everything_is_not_everything_private() {
        let policy = policy(&["*:*", "0.0.0.0/0:*", "[::/0]:*"]);
        assert!(policy.grants_address(SOMEWHERE, 25));
        for local in
            ["127.0.0.1", "0.0.0.0", "::1", "169.254.169.254", "10.0.0.1", "::ffff:10.0.0.1"]
        {
            assert!(!policy.grants_address(ip(local), 443), "{local}");
            for known_as in ["example.com", "localhost"] {
                assert!(!policy.allows_name(&name(known_as), ip(local), 443), "{local}");
            }
        }
    }

    #[test]
    fn private_addresses_are_granted_as_such() {
        let policy = policy(&["10.1.0.0/16:5432", "127.0.0.1:8080", "[::1]", "169.254.0.0/16:80"]);
        assert!(policy.grants_address(ip("10.1.2.3"), 5432));
        assert!(policy.grants_address(ip("::ffff:10.1.2.3"), 5432));
        assert!(!policy.grants_address(ip("10.2.2.3"), 5432));
        assert!(policy.grants_address(ip("127.0.0.1"), 8080));
        assert!(!policy.grants_address(ip("127.0.0.2"), 8080));
        assert!(policy.grants_address(ip("::1"), 443));
        assert!(policy.grants_address(ip("169.254.1.1"), 80));
        assert!(!policy.grants_address(ip("169.254.169.254"), 80));
    }

    #[test]
    fn a_network_grants_only_what_it_is_within() {
        for (rule, refused, granted) in [
            ("0.0.0.0/1:*", "127.0.0.1", "8.8.8.8"),
            ("0.0.0.0/1:*", "10.0.0.1", "9.9.9.9"),
            ("128.0.0.0/1:*", "192.168.0.1", "128.1.1.1"),
            ("8.0.0.0/5:*", "10.0.0.1", "8.8.8.8"),
            ("172.0.0.0/8:*", "172.16.0.1", "172.1.1.1"),
            ("192.0.0.0/8:*", "192.168.1.1", "192.1.1.1"),
            ("224.0.0.0/3:*", "240.0.0.1", ""),
            ("224.0.0.0/3:*", "255.255.255.255", ""),
            ("169.254.0.0/16:*", "169.254.169.254", "169.254.1.1"),
            ("169.254.169.252/30:*", "169.254.169.254", "169.254.169.252"),
            ("169.254.169.254:*", "169.254.169.253", "169.254.169.254"),
            ("100.64.0.0/10:*", "100.100.100.200", "100.64.0.1"),
            ("100.100.100.200/32:*", "100.64.0.1", "100.100.100.200"),
            ("[fd00::/8]:*", "fd00:ec2::254", "fd00::1"),
            ("[fd00:ec2::/32]:*", "fd00:ec2::254", "fd00:ec2::1"),
            ("[fd00:ec2::254]:*", "fd00:ec2::1", "fd00:ec2::254"),
            ("[fc00::/6]:*", "fd00::1", ""),
            ("[64:ff9b::/96]:*", "64:ff9b::a00:1", "64:ff9b::808:808"),
            ("[64:ff9b::/97]:*", "64:ff9b::7f00:1", "64:ff9b::808:808"),
            ("[64:ff9b::a00:0/104]:*", "64:ff9b::7f00:1", "64:ff9b::a00:1"),
            ("[::/0]:*", "::1", "2606:4700::1"),
            ("[::ffff:10.0.0.0/104]:*", "11.0.0.1", "10.0.0.1"),
        ] {
            let policy = policy(&[rule]);
            assert!(!policy.grants_address(ip(refused), 80), "{rule} grants {refused}");
            assert!(
                granted.is_empty() || policy.grants_address(ip(granted), 80),
                "{rule} {granted}"
            );
        }
        // Nor does a name lead to a metadata service, whatever it is told.
        let mut all = policy(&["0.0.0.0/0:*", "169.254.0.0/16:*"]);
        all.add("*:*".parse::<NetRule>().unwrap().private());
        for address in ["169.254.169.254", "100.100.100.200", "fd00:ec2::254"] {
            assert!(!all.allows_answer(&name("metadata.test"), ip(address)), "{address}");
        }
    }

    #[test]
    fn names_lead_to_private_addresses_only_when_told_so() {
        let mut policy = policy(&["db.internal:5432", "localhost:80", "x.internal", "10.9.0.0/16"]);
        assert!(!policy.allows_name(&name("db.internal"), ip("10.0.0.5"), 5432));
        assert!(policy.allows_name(&name("localhost"), ip("127.0.0.1"), 80));
        assert!(policy.allows_name(&name("x.internal"), ip("10.9.0.5"), 443));
        policy.add("db.internal:5432".parse::<NetRule>().unwrap().private());
        assert!(policy.allows_name(&name("db.internal"), ip("10.0.0.5"), 5432));
        assert!(!policy.allows_name(&name("db.internal"), ip("169.254.169.254"), 5432));
        assert!(!policy.allows_name(&name("db.internal"), ip("10.0.0.5"), 443));
    }

    #[test]
    fn rules_are_written_as_they_are_read() {
        for text in
            ["*:*", "*.a.b:443", "10.0.0.0/8:1-5,9", "[::1]:80", "[fd00::/8]:443", "1.2.3.4:443"]
        {
            assert_eq!(text.parse::<NetRule>().unwrap().to_string(), text);
        }
        for text in [
            "",
            ":443",
            "a:",
            "a:0",
            "a:+1",
            "a:5-1",
            "a:x",
            "*a.b",
            "a.*.b",
            "**",
            "10.0.0.1/8",
            "10.0.0.0/33",
            "[::1]80",
            "http://a",
            "a b",
            "0x7f.1",
            "*.1",
            "127.1",
        ] {
            assert!(text.parse::<NetRule>().is_err(), "{text:?}");
        }
        assert_eq!("::1".parse::<NetRule>().unwrap().to_string(), "[::1]:443");
    }

    proptest! {
        #[test]
        fn any_text_is_a_rule_or_refused(text in "[a-c*.:/\\[\\]0-9,-]{0,20}|\\PC*") {
            if let Ok(rule) = text.parse::<NetRule>() {
                prop_assert_eq!(rule.to_string().parse::<NetRule>().unwrap(), rule);
            }
        }

        /// What a network grants besides public addresses is all of one kind.
        #[test]
        fn a_network_with_public_addresses_grants_no_others(
            bits: u32, length in 0..=32u8, within: u32, elsewhere: u32,
        ) {
            let network = ipnet::Ipv4Net::new(Ipv4Addr::from_bits(bits), length).unwrap().trunc();
            let policy = policy(&[&format!("{network}:*")]);
            let inside = |bits: u32| {
                IpAddr::V4(Ipv4Addr::from_bits(network.network().to_bits() | (bits & network.hostmask().to_bits())))
            };
            let (one, other) = (inside(within), inside(elsewhere));
            if AddressClass::of(one) != AddressClass::Public && policy.grants_address(one, 80) {
                prop_assert_ne!(AddressClass::of(other), AddressClass::Public);
                prop_assert!(length == 32 || AddressClass::of(one) != AddressClass::Metadata);
            }
        }

        #[test]
        fn a_wildcard_matches_only_names_below(front in "[a-z0-9.-]{0,12}", end in "[a-z.]{0,6}") {
            let policy = policy(&["*.example.com"]);
            if let Ok(name) = format!("{front}example.com{end}").parse::<HostName>() {
                let below = name.as_str().ends_with(".example.com");
                prop_assert_eq!(policy.allows_lookup(&name), below);
            }
        }
    }
}
