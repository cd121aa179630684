use super::{NetCtx, Permission};
use crate::bindings::eryx::net::types::{Code, Failure};
use crate::config::Attempt;
use crate::decision::Decision;
use crate::error::failure;
use crate::policy::{HostName, canonical};
use crate::request::Wish;
use crate::resolve::Resolver;
use crate::slot::Slot;
use crate::view::Work;
use futures_util::FutureExt;
use std::io;
use std::net::IpAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Addresses kept of one name, of so many that are looked at.
const MOST_ADDRESSES: usize = 32;
const MOST_ANSWERS: usize = 256;

/// A name and all addresses that it has.
pub(super) type Found = (HostName, Vec<IpAddr>);

impl NetCtx {
    /// The work of looking up `name`, and where its result will be.
    pub(crate) fn look_up(&mut self, name: &str) -> Result<(Work, Slot<Found>), Failure> {
        let name: HostName = name
            .parse()
            .map_err(|error| failure(Code::UnknownName, format!("no host name: {error}")))?;
        let shared = self.network.shared();
        let decision = Decision::on("look up").host(&name);
        let denied = || failure(Code::Denied, format!("the host does not allow {name}"));
        if !shared.policy.allows_lookup(&name) {
            self.budget.lookups.take();
            return Err(self.refuse(&decision, "no rule allows it", denied()));
        }
        if !self.budget.lookups.take() {
            let message = "this run has looked up as many names as it may";
            return Err(self.over_limit(&decision, failure(Code::Limit, message)));
        }
        if let Err(reason) = shared.pass(&Attempt::LookUp { name: &name }) {
            return Err(self.refuse(&decision, reason, denied()));
        }
        let time = shared.limits.connect;
        let permission = self.permission(decision, Wish::LookUp(name.clone()), time);
        let (network, turns) = (self.network.clone(), self.budget.turns());
        let slot = Slot::new();
        let result = slot.clone();
        let work = Box::pin(async move {
            let found = match permission.await {
                Permission::Given => {
                    let answer = async {
                        let _turn = turns.acquire_owned().await;
                        resolve(&*network.shared().resolver, &name).await
                    };
                    match tokio::time::timeout(time, answer).await {
                        Ok(answer) => answer.map_err(|error| not_resolved(&error)),
                        Err(_) => Err(late()),
                    }
                }
                Permission::Refused => {
                    Err(failure(Code::Denied, format!("the host has refused {name}")))
                }
                Permission::Late => Err(late()),
            };
            result.put(found.map(|addresses| (name, addresses)));
        });
        Ok((work, slot))
    }

    pub(crate) fn await_look_up(&mut self, operation: u32, slot: Slot<Found>) {
        self.lookups.add(operation, slot);
    }

    /// The addresses that a finished look-up found and the policy allows.
    pub(crate) fn take_addresses(&mut self, operation: u32) -> Result<Vec<IpAddr>, Failure> {
        let (name, found) = self.lookups.take(operation)?;
        if found.is_empty() {
            return Err(failure(Code::UnknownName, "the name has no address"));
        }
        let mut allowed: Vec<IpAddr> = Vec::new();
        for address in found.into_iter().take(MOST_ANSWERS).map(canonical) {
            let decision = Decision::on("resolve").host(&name).address(address);
            if !self.network.shared().policy.allows_answer(&name, address) {
                self.deny(&decision, "the name may not lead to this address");
            } else if !allowed.contains(&address) && allowed.len() < MOST_ADDRESSES {
                decision.allowed("the rules allow it");
                allowed.push(address);
            }
        }
        if allowed.is_empty() {
            let message = format!("{name} leads only to addresses that the host does not allow");
            return Err(failure(Code::Denied, message));
        }
        for address in &allowed {
            self.names.add(*address, &name);
        }
        Ok(allowed)
    }
}

/// Asks the resolver. One that panics has found nothing.
async fn resolve(resolver: &dyn Resolver, name: &HostName) -> io::Result<Vec<IpAddr>> {
    let panicked = |_| io::Error::other("the resolver panicked");
    let answer = catch_unwind(AssertUnwindSafe(|| resolver.resolve(name))).map_err(panicked)?;
    AssertUnwindSafe(answer).catch_unwind().await.map_err(panicked)?
}

fn late() -> Failure {
    failure(Code::NoNameService, "no name service answered in time")
}

fn not_resolved(error: &io::Error) -> Failure {
    match error.kind() {
        io::ErrorKind::TimedOut | io::ErrorKind::ConnectionRefused | io::ErrorKind::Interrupted => {
            failure(Code::NoNameService, "the name service failed")
        }
        // What the system says of an unknown name has no kind of its own.
        _ => failure(Code::UnknownName, "the name is not known"),
    }
}
