use super::address::{AddressClass, Place, canonical};
use super::host::Host;
use super::name::{HostName, NameError};
use super::ports::Ports;
use ipnet::{IpNet, Ipv4Net};
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;
use thiserror::Error;

/// Something that the guest may connect to: a host and its ports.
///
/// | text | allows |
/// |---|---|
/// | `api.example.com` | this name, port 443 |
/// | `api.example.com:80,8000-8100` | these ports |
/// | `*.example.com` | names with one or more labels before `.example.com`; not `example.com` itself |
/// | `*` | every name and every public address |
/// | `10.1.2.3:5432`, `[fd00::1]:*` | this address |
/// | `10.1.0.0/16:22` | this network |
///
/// A name leads to public addresses only, unless [`private`](Self::private) is
/// set or another rule names the address; `localhost` leads to this machine.
///
/// A network grants addresses that are not public only if it is one of the networks
/// set apart for them (`10.0.0.0/8`, `127.0.0.0/8`, `fe80::/10` and so on) or lies
/// within one. A wider one, such as `0.0.0.0/0`, `0.0.0.0/1` or `192.0.0.0/4`, grants
/// the public addresses in it and no others. The addresses of cloud metadata services
/// (`169.254.169.254`, `100.100.100.200`, `fd00:ec2::254` and so on: see
/// [`AddressClass::Metadata`]) have to be written one by one: no network grants them,
/// nor does `private`.
///
/// ```
/// use eryx_net::NetRule;
///
/// let rule: NetRule = "*.example.com:443,8443".parse().unwrap();
/// assert_eq!(rule.to_string(), "*.example.com:443,8443");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetRule {
    host: HostPattern,
    ports: Ports,
    private: bool,
}

/// The host of a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
enum HostPattern {
    Any,
    Name(HostName),
    /// Names that end in a dot and this.
    Below(HostName),
    Network(IpNet),
}

/// Why a text is no rule.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum RuleError {
    /// The part before the colon.
    #[error("`{text}` does not begin with a host: {source}")]
    Host {
        /// The rule.
        text: String,
        /// What is wrong with it.
        source: NameError,
    },
    /// The part after the colon.
    #[error("`{text}` does not end in ports such as `443`, `80,443`, `8000-8100` or `*`")]
    Ports {
        /// The rule.
        text: String,
    },
    /// A network whose address has bits beyond its length.
    #[error("`{text}` is no network: an address and a length such as `10.1.0.0/16` is wanted")]
    Network {
        /// The rule.
        text: String,
    },
}

impl NetRule {
    /// Lets the name lead to private addresses, to this machine too. Cloud
    /// metadata services stay refused.
    #[must_use]
    pub fn private(mut self) -> Self {
        self.private = true;
        self
    }

    /// Sets the ports.
    #[must_use]
    pub fn ports(mut self, ports: Ports) -> Self {
        self.ports = ports;
        self
    }

    pub(super) fn allows_port(&self, port: u16) -> bool {
        self.ports.contains(port)
    }

    /// Whether the rule is about names, not about addresses.
    pub(crate) fn is_of_names(&self) -> bool {
        !matches!(self.host, HostPattern::Network(_))
    }

    /// Whether the rule is about `name`, at some port.
    pub(crate) fn names(&self, name: &HostName) -> bool {
        match &self.host {
            HostPattern::Any => true,
            HostPattern::Name(own) => own == name,
            HostPattern::Below(own) => name
                .as_str()
                .strip_suffix(own.as_str())
                .is_some_and(|front| front.len() > 1 && front.ends_with('.')),
            HostPattern::Network(_) => false,
        }
    }

    /// Whether the rule is about `host`, at some port.
    pub(crate) fn is_about(&self, host: &Host) -> bool {
        match host {
            Host::Name(name) => self.names(name),
            Host::Address(address) => self.grants(*address),
        }
    }

    /// Whether `name`, which the rule is about, may lead to `address`.
    pub(super) fn lets_lead(&self, name: &HostName, address: IpAddr) -> bool {
        match AddressClass::of(address) {
            AddressClass::Public => true,
            AddressClass::Loopback if name.is_localhost() => {
                matches!(self.host, HostPattern::Name(_) | HostPattern::Below(_)) || self.private
            }
            AddressClass::Loopback | AddressClass::Private | AddressClass::CarrierNat => {
                self.private
            }
            _ => false,
        }
    }

    /// Whether the rule grants `address` itself, whatever it is called.
    pub(super) fn grants(&self, address: IpAddr) -> bool {
        let place = Place::of(address);
        let public = place.class == AddressClass::Public;
        match &self.host {
            HostPattern::Any => public,
            HostPattern::Network(network) => {
                network.contains(&canonical(address)) && (public || place.network.contains(network))
            }
            HostPattern::Name(_) | HostPattern::Below(_) => false,
        }
    }
}

impl FromStr for NetRule {
    type Err = RuleError;

    fn from_str(text: &str) -> Result<Self, RuleError> {
        let (host, ports) = split(text);
        let ports = match ports {
            None => Ports::default(),
            Some(ports) => {
                Ports::parse(ports).ok_or_else(|| RuleError::Ports { text: text.to_owned() })?
            }
        };
        Ok(Self { host: pattern(host, text)?, ports, private: false })
    }
}

/// Divides host and ports. IPv6 stands in brackets if ports follow.
fn split(text: &str) -> (&str, Option<&str>) {
    if let Some(rest) = text.strip_prefix('[')
        && let Some((host, after)) = rest.split_once(']')
    {
        return (
            host,
            if after.is_empty() { None } else { Some(after.strip_prefix(':').unwrap_or("")) },
        );
    }
    match text.split_once(':') {
        Some((host, ports)) if !ports.contains(':') => (host, Some(ports)),
        _ => (text, None),
    }
}

fn pattern(host: &str, text: &str) -> Result<HostPattern, RuleError> {
    let name = |host: &str| {
        host.parse().map_err(|source| RuleError::Host { text: text.to_owned(), source })
    };
    if host == "*" {
        return Ok(HostPattern::Any);
    }
    if let Some(below) = host.strip_prefix("*.") {
        return Ok(HostPattern::Below(name(below)?));
    }
    if let Ok(address) = host.parse::<IpAddr>() {
        return Ok(HostPattern::Network(canonical(address).into()));
    }
    if host.contains('/') {
        let network: Option<IpNet> = host.parse().ok();
        return match network {
            Some(network) if network == network.trunc() => {
                Ok(HostPattern::Network(unmapped(network)))
            }
            _ => Err(RuleError::Network { text: text.to_owned() }),
        };
    }
    Ok(HostPattern::Name(name(host)?))
}

/// A network of IPv4 in its IPv6 clothes as the one that it is.
fn unmapped(network: IpNet) -> IpNet {
    if let IpNet::V6(mapped) = network
        && let Some(address) = mapped.addr().to_ipv4_mapped()
        && let Some(length) = mapped.prefix_len().checked_sub(96)
        && let Ok(plain) = Ipv4Net::new(address, length)
    {
        return plain.into();
    }
    network
}

impl fmt::Display for NetRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            HostPattern::Any => f.write_str("*")?,
            HostPattern::Name(name) => write!(f, "{name}")?,
            HostPattern::Below(name) => write!(f, "*.{name}")?,
            HostPattern::Network(network) => {
                let single = network.prefix_len() == network.max_prefix_len();
                match (single, network.addr()) {
                    (true, IpAddr::V4(address)) => write!(f, "{address}")?,
                    (true, IpAddr::V6(address)) => write!(f, "[{address}]")?,
                    (false, IpAddr::V4(_)) => write!(f, "{network}")?,
                    (false, IpAddr::V6(_)) => write!(f, "[{network}]")?,
                }
            }
        }
        write!(f, ":{}", self.ports)
    }
}
