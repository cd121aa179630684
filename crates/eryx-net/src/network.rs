use crate::config::{Attempt, Gate, NetConfig};
use crate::error::NetConfigError;
use crate::policy::{HostName, Policy};
use crate::resolve::Resolver;
use crate::secret::Secret;
use crate::tls::Trust;
use crate::{NetCtx, NetLimits};
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

/// What guests may reach and how: made once, used by many runs. Cheap to clone.
#[derive(Clone)]
pub struct Network {
    shared: Arc<Shared>,
}

pub(crate) struct Shared {
    pub(crate) policy: Policy,
    pub(crate) limits: NetLimits,
    pub(crate) resolver: Arc<dyn Resolver>,
    pub(crate) gate: Option<Gate>,
    pub(crate) trust: Trust,
    pub(crate) secrets: Vec<Secret>,
}

impl Network {
    /// Starts to set up a network.
    pub fn builder() -> NetConfig {
        NetConfig::new()
    }

    /// Where nothing can be reached.
    pub fn nothing() -> Self {
        Self { shared: Arc::new(NetConfig::new().into_shared()) }
    }

    pub(crate) fn new(shared: Shared) -> Result<Self, NetConfigError> {
        crate::secret::check_distinct(&shared.secrets)?;
        Ok(Self { shared: Arc::new(shared) })
    }

    /// The state of one run.
    pub fn context(&self) -> NetCtx {
        NetCtx::new(self.clone())
    }

    /// What the guest sees of the secrets: their names and what stands for
    /// their values.
    pub fn placeholders(&self) -> impl Iterator<Item = (&str, &str)> {
        self.shared.secrets.iter().map(|secret| (secret.name(), secret.placeholder()))
    }

    pub(crate) fn shared(&self) -> &Shared {
        &self.shared
    }
}

impl Shared {
    /// Whether `name` may be looked up.
    pub(crate) fn permits_lookup(&self, name: &HostName) -> bool {
        let allowed = self.policy.allows_lookup(name) && self.passes(&Attempt::LookUp { name });
        tracing::info!(%name, allowed, "look up");
        allowed
    }

    /// Whether `address`, which `names` were resolved to, may be connected to.
    pub(crate) fn permits_connect(&self, address: SocketAddr, names: &[HostName]) -> bool {
        let (ip, port) = (address.ip(), address.port());
        let policy = &self.policy;
        let allowed = (policy.grants_address(ip, port)
            || names.iter().any(|name| policy.allows_name(name, ip, port)))
            && self.passes(&Attempt::Connect { address, names });
        tracing::info!(%address, ?names, allowed, "connect");
        allowed
    }

    fn passes(&self, attempt: &Attempt<'_>) -> bool {
        self.gate.as_ref().is_none_or(|gate| gate(attempt))
    }
}

impl fmt::Debug for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Network")
            .field("policy", &self.shared.policy)
            .field("limits", &self.shared.limits)
            .finish_non_exhaustive()
    }
}
