mod connections;
mod lookups;
mod sessions;

use self::connections::Connected;
use self::lookups::Found;
use crate::bindings::eryx::net::types::{Code, Failure};
use crate::budget::Budget;
use crate::decision::Decision;
use crate::error::failure;
use crate::names::Names;
use crate::network::Network;
use crate::request::{NetRequest, Wish, allowed};
use crate::slot::Slots;
use crate::tcp::Connection;
use crate::tls::Session;
use rustls::client::Resumption;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;

/// Bytes that one call hands over.
pub(crate) const MOST_BYTES: usize = 1 << 20;

/// The network state of one run, or of those of a session, one after the other: what
/// is open, and what is left of the limits. Dropping it closes everything.
#[derive(Debug)]
pub struct NetCtx {
    network: Network,
    budget: Arc<Budget>,
    lookups: Slots<Found>,
    connects: Slots<Connected>,
    connections: HashMap<u32, Connection>,
    sessions: HashMap<u32, Session>,
    last: u32,
    names: Names,
    /// TLS sessions to go on with, of this context only.
    resumption: Option<Resumption>,
    scratch: Vec<u8>,
    requests: Option<mpsc::Sender<NetRequest>>,
}

impl NetCtx {
    pub(crate) fn new(network: Network) -> Self {
        let budget = Arc::new(Budget::new(&network.shared().limits));
        Self {
            network,
            budget,
            lookups: Slots::default(),
            connects: Slots::default(),
            connections: HashMap::new(),
            sessions: HashMap::new(),
            last: 0,
            names: Names::default(),
            resumption: None,
            scratch: Vec::new(),
            requests: None,
        }
    }

    /// Has all that the rules allow from here on decided by who holds the other
    /// end of `requests`; a closed channel refuses everything, and who takes longer
    /// than [`NetLimits::connect`](crate::NetLimits::connect) lets it time out.
    /// With `None` nobody is asked. Nor is anybody asked about what a proxy shall lead
    /// to ([`Attempt::Tunnel`](crate::Attempt::Tunnel)): there the rules and the gate
    /// decide.
    ///
    /// ```
    /// # async fn example(context: &mut eryx_net::NetCtx) {
    /// use eryx_net::Attempt;
    ///
    /// let (sender, mut requests) = tokio::sync::mpsc::channel(1);
    /// context.set_requests(Some(sender));
    /// while let Some(request) = requests.recv().await {
    ///     match request.attempt() {
    ///         Attempt::Connect { address, .. } if address.port() != 443 => request.refuse(),
    ///         _ => request.allow(),
    ///     }
    /// }
    /// # }
    /// ```
    pub fn set_requests(&mut self, requests: Option<mpsc::Sender<NetRequest>>) {
        self.requests = requests;
    }

    /// A run begins: it has all of the limits for itself. What earlier ones have left
    /// open stays open, and counts among what may be open at once.
    ///
    /// For stores that several runs have, one after the other; a new context is at the
    /// beginning of one.
    pub fn begin_run(&mut self) {
        self.budget.begin_run();
        self.names.begin_run();
    }

    fn number(&mut self) -> Result<u32, Failure> {
        let next = self.last.checked_add(1);
        self.last = next.ok_or_else(|| failure(Code::Limit, "no numbers are left"))?;
        Ok(self.last)
    }
}

/// Decisions.
impl NetCtx {
    /// A refusal is an event, as long as the run has had few.
    fn deny(&self, decision: &Decision, reason: &str) {
        if self.budget.refusals.take() {
            decision.denied(reason);
        }
    }

    /// What to tell the guest of a refusal.
    fn refuse(&self, decision: &Decision, reason: &str, told: Failure) -> Failure {
        self.deny(decision, reason);
        told
    }

    fn over_limit(&self, decision: &Decision, told: Failure) -> Failure {
        self.refuse(decision, "the run has used up a limit", told)
    }

    /// What the rules and the gate allow is allowed, or somebody is asked first, who
    /// has so much time.
    fn permission(
        &self,
        decision: Decision,
        wish: Wish,
        time: Duration,
    ) -> impl Future<Output = Permission> + use<> {
        let requests = self.requests.clone();
        if requests.is_none() {
            decision.allowed("the rules allow it");
        }
        async move {
            let Some(requests) = requests else { return Permission::Given };
            match tokio::time::timeout(time, allowed(requests, wish)).await {
                Ok(true) => {
                    decision.allowed("it was allowed on request");
                    Permission::Given
                }
                Ok(false) => {
                    decision.denied("it was refused on request");
                    Permission::Refused
                }
                Err(_) => {
                    decision.denied("nobody decided in time");
                    Permission::Late
                }
            }
        }
    }
}

/// What somebody who was asked has decided.
enum Permission {
    Given,
    Refused,
    Late,
}
