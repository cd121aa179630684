use crate::NetLimits;
use crate::error::NetConfigError;
use crate::network::{Network, Shared};
use crate::policy::{HostName, NetRule, Policy};
use crate::resolve::{Resolver, SystemResolver};
use crate::secret::Secret;
use crate::tls::{Identity, TrustConfig};
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

/// Sets up a [`Network`]. At first nothing may be reached.
///
/// Whoever may be connected to is trusted in what it does for a guest: an HTTP proxy
/// that a rule grants leads only to what the rules allow as long as the host sees the
/// requests, which are then judged one by one, and those that cannot be read are
/// refused. Inside TLS, in HTTP/2 and in SOCKS the host sees none: a rule for a proxy
/// that speaks these grants whatever the proxy leads to.
///
/// ```
/// use eryx_net::NetConfig;
///
/// let network = NetConfig::new()
///     .allow("api.example.com")?
///     .allow("*.example.org:443,8443")?
///     .build()?;
/// # Ok::<(), eryx_net::NetConfigError>(())
/// ```
#[must_use = "a network is made by `build`"]
#[derive(Clone)]
pub struct NetConfig {
    policy: Policy,
    limits: NetLimits,
    resolver: Arc<dyn Resolver>,
    gate: Option<Gate>,
    trust: TrustConfig,
    secrets: Vec<Secret>,
}

pub(crate) type Gate = Arc<dyn Fn(&Attempt<'_>) -> bool + Send + Sync>;

/// Something that the guest tried and the rules allow.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub enum Attempt<'a> {
    /// To look up a name.
    LookUp {
        /// The name.
        name: &'a HostName,
    },
    /// To connect.
    Connect {
        /// Where to.
        address: SocketAddr,
        /// The names that were resolved to this address in this run.
        names: &'a [HostName],
    },
    /// To have an HTTP proxy lead somewhere: by `CONNECT`, or by a request for a whole
    /// URL. What is beyond the proxy the host does not see; after `CONNECT` TLS is made
    /// with this name. Asked once for each target on a connection.
    Tunnel {
        /// The server that would be the proxy.
        proxy: SocketAddr,
        /// The name or the address that it is asked for.
        host: &'a str,
        /// The port.
        port: u16,
    },
}

impl Default for NetConfig {
    fn default() -> Self {
        Self::new()
    }
}

impl NetConfig {
    /// Nothing allowed, [`NetLimits::default`], the system's resolver, the
    /// roots of Mozilla and of the system.
    pub fn new() -> Self {
        Self {
            policy: Policy::default(),
            limits: NetLimits::default(),
            resolver: Arc::new(SystemResolver::default()),
            gate: None,
            trust: TrustConfig::default(),
            secrets: Vec::new(),
        }
    }

    /// Allows what a rule such as `api.example.com` or `10.1.2.3:5432` says:
    /// see [`NetRule`].
    ///
    /// # Errors
    /// [`NetConfigError::Rule`].
    pub fn allow(self, rule: &str) -> Result<Self, NetConfigError> {
        Ok(self.allow_rule(rule.parse()?))
    }

    /// Allows what `rule` says.
    pub fn allow_rule(mut self, rule: NetRule) -> Self {
        self.policy.add(rule);
        self
    }

    /// Sets what each run may use.
    pub fn limits(mut self, limits: NetLimits) -> Self {
        self.limits = limits;
        self
    }

    /// Asks `resolver` for addresses instead of the operating system.
    pub fn resolver(mut self, resolver: impl Resolver + 'static) -> Self {
        self.resolver = Arc::new(resolver);
        self
    }

    /// Is asked about everything that the rules allow, and may refuse it by
    /// answering false. It must answer at once. One that panics has refused.
    pub fn gate(mut self, gate: impl Fn(&Attempt<'_>) -> bool + Send + Sync + 'static) -> Self {
        self.gate = Some(Arc::new(gate));
        self
    }

    /// Trusts the certificates in `pem` as roots, too.
    ///
    /// # Errors
    /// [`NetConfigError::Certificate`].
    pub fn root_certificates(mut self, pem: &[u8]) -> Result<Self, NetConfigError> {
        self.trust.add_roots(pem)?;
        Ok(self)
    }

    /// Whether the roots of Mozilla, which come with this crate, and those of
    /// the operating system are trusted. They are; without them only
    /// [`root_certificates`](Self::root_certificates) counts.
    pub fn public_roots(mut self, trusted: bool) -> Self {
        self.trust.public_roots = trusted;
        self
    }

    /// Shows servers whose name or address `hosts` matches, at whatever port, this
    /// certificate when they ask for one. They are verified first: it is shown to nobody
    /// of whom that is not known. The key stays with the host.
    ///
    /// # Errors
    /// [`NetConfigError::Certificate`].
    pub fn client_certificate(
        mut self,
        hosts: NetRule,
        chain_pem: &[u8],
        key_pem: &[u8],
    ) -> Result<Self, NetConfigError> {
        self.trust.identities.push(Identity::new(hosts, chain_pem, key_pem)?);
        Ok(self)
    }

    /// Lets the guest switch off the verification of certificates
    /// (`ssl.CERT_NONE`) for what `hosts` matches, at its ports (443 without any).
    /// Anybody on the way can then read and change what is sent. Secrets and client
    /// certificates are never sent so.
    pub fn dangerously_allow_unverified(mut self, hosts: NetRule) -> Self {
        self.trust.unverified.add(hosts);
        self
    }

    /// Gives guests the use of a secret without its value.
    pub fn secret(mut self, secret: Secret) -> Self {
        self.secrets.push(secret);
        self
    }

    /// Makes the network.
    ///
    /// # Errors
    /// [`NetConfigError`] if something given cannot be used.
    pub fn build(self) -> Result<Network, NetConfigError> {
        Network::new(self.into_shared())
    }

    pub(crate) fn into_shared(self) -> Shared {
        Shared {
            policy: self.policy,
            limits: self.limits,
            resolver: self.resolver,
            gate: self.gate,
            trust: self.trust.into_lazy(),
            secrets: self.secrets,
        }
    }
}

impl fmt::Debug for NetConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NetConfig")
            .field("policy", &self.policy)
            .field("limits", &self.limits)
            .field("trust", &self.trust)
            .field("secrets", &self.secrets)
            .finish_non_exhaustive()
    }
}
