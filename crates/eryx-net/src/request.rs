use crate::config::Attempt;
use crate::policy::HostName;
use std::net::SocketAddr;
use tokio::sync::{mpsc, oneshot};

/// Something that a guest tries and the rules allow, and that waits until somebody
/// decides: see [`NetCtx::set_requests`](crate::NetCtx::set_requests). Dropping it
/// refuses it.
#[derive(Debug)]
pub struct NetRequest {
    wish: Wish,
    reply: oneshot::Sender<()>,
}

/// An [`Attempt`] that owns what it speaks of.
#[derive(Debug)]
pub(crate) enum Wish {
    LookUp(HostName),
    Connect(SocketAddr, Vec<HostName>),
}

impl NetRequest {
    /// What is tried.
    pub fn attempt(&self) -> Attempt<'_> {
        match &self.wish {
            Wish::LookUp(name) => Attempt::LookUp { name },
            Wish::Connect(address, names) => Attempt::Connect { address: *address, names },
        }
    }

    /// Lets it happen.
    pub fn allow(self) {
        // The guest may have given it up.
        let _ = self.reply.send(());
    }

    /// Keeps it from happening: Python sees a `PermissionError`.
    pub fn refuse(self) {}
}

/// Whether who is asked allows it.
pub(crate) async fn allowed(requests: mpsc::Sender<NetRequest>, wish: Wish) -> bool {
    let (reply, answer) = oneshot::channel();
    requests.send(NetRequest { wish, reply }).await.is_ok() && answer.await.is_ok()
}
