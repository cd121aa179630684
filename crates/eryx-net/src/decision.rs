//! What is told of decisions: fields of `tracing` events, and never a value that a
//! guest has sent.

use std::fmt::Display;
use std::net::{IpAddr, SocketAddr};
use tracing::field;

/// Something to decide on.
#[derive(Debug, Clone)]
pub(crate) struct Decision {
    attempt: &'static str,
    host: Option<String>,
    address: Option<IpAddr>,
    port: Option<u16>,
}

impl Decision {
    pub(crate) fn on(attempt: &'static str) -> Self {
        Self { attempt, host: None, address: None, port: None }
    }

    pub(crate) fn host(mut self, host: impl Display) -> Self {
        self.host = Some(host.to_string());
        self
    }

    pub(crate) fn address(mut self, address: IpAddr) -> Self {
        self.address = Some(address);
        self
    }

    pub(crate) fn peer(mut self, peer: SocketAddr) -> Self {
        self.port = Some(peer.port());
        self.address(peer.ip())
    }

    pub(crate) fn port(mut self, port: u16) -> Self {
        self.port = Some(port);
        self
    }

    pub(crate) fn allowed(&self, reason: &str) {
        self.tell(true, reason);
    }

    pub(crate) fn denied(&self, reason: &str) {
        self.tell(false, reason);
    }

    fn tell(&self, allowed: bool, reason: &str) {
        tracing::info!(
            attempt = self.attempt,
            allowed,
            host = self.host.as_deref(),
            address = self.address.map(field::display),
            port = self.port,
            reason,
            "network"
        );
    }
}
