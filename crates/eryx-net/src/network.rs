use crate::config::{Attempt, Gate, NetConfig};
use crate::error::NetConfigError;
use crate::policy::{HostName, Policy};
use crate::resolve::Resolver;
use crate::secret::Secret;
use crate::tls::Trust;
use crate::{NetCtx, NetLimits};
use std::fmt;
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
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

    /// The state of one run, or of those of a session.
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
    /// Whether the rules let `address`, which `names` were resolved to, be connected to.
    pub(crate) fn rules_permit(&self, address: SocketAddr, names: &[HostName]) -> bool {
        let (ip, port) = (address.ip(), address.port());
        self.policy.grants_address(ip, port)
            || names.iter().any(|name| self.policy.allows_name(name, ip, port))
    }

    /// Asks the embedder's gate about what the rules allow; why it refuses.
    pub(crate) fn pass(&self, attempt: &Attempt<'_>) -> Result<(), &'static str> {
        let Some(gate) = &self.gate else { return Ok(()) };
        match catch_unwind(AssertUnwindSafe(|| gate(attempt))) {
            Ok(true) => Ok(()),
            Ok(false) => Err("the gate refuses it"),
            Err(_) => Err("the gate panicked"),
        }
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
