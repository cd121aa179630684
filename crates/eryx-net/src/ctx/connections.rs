use super::{MOST_BYTES, NetCtx, Permission};
use crate::bindings::eryx::net::types::{Code, Failure};
use crate::config::Attempt;
use crate::decision::Decision;
use crate::error::{failure, no_connection};
use crate::policy::{HostName, canonical};
use crate::proxy::{Target, Unclear};
use crate::request::Wish;
use crate::slot::Slot;
use crate::tcp::{self, Connection, Link};
use crate::view::Work;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

/// A socket, where it leads to, and the names that led there.
pub(super) type Connected = (Link, SocketAddr, Vec<HostName>);

impl NetCtx {
    /// The work of connecting, and where its result will be.
    pub(crate) fn connect(
        &mut self,
        address: &str,
        port: u16,
    ) -> Result<(Work, Slot<Connected>), Failure> {
        let ip: IpAddr = address
            .parse()
            .map_err(|_| failure(Code::Invalid, "this is not an address in its usual form"))?;
        let address = SocketAddr::new(canonical(ip), port);
        let shared = self.network.shared();
        let names = self.names.of(address.ip());
        let decision = Decision::on("connect").peer(address);
        let decision = match names.first() {
            Some(name) => decision.host(name),
            None => decision,
        };
        let denied = || failure(Code::Denied, format!("the host does not allow {address}"));
        if !shared.rules_permit(address, &names) {
            self.budget.connections.charge();
            return Err(self.refuse(&decision, "no rule allows it", denied()));
        }
        let place =
            self.budget.connections.take().map_err(|told| self.over_limit(&decision, told))?;
        if let Err(reason) = shared.pass(&Attempt::Connect { address, names: &names }) {
            return Err(self.refuse(&decision, reason, denied()));
        }
        let (time, idle) = (shared.limits.connect, shared.limits.idle);
        let permission = self.permission(decision, Wish::Connect(address, names.clone()), time);
        let slot = Slot::new();
        let result = slot.clone();
        let work = Box::pin(async move {
            let made = match permission.await {
                Permission::Given => tcp::connect(address, time, idle, place).await,
                Permission::Refused => {
                    Err(failure(Code::Denied, format!("the host has refused {address}")))
                }
                Permission::Late => Err(failure(Code::TimedOut, "the host did not decide in time")),
            };
            result.put(made.map(|link| (link, address, names)));
        });
        Ok((work, slot))
    }

    pub(crate) fn await_connect(&mut self, operation: u32, slot: Slot<Connected>) {
        self.connects.add(operation, slot);
    }

    pub(crate) fn take_connection(&mut self, operation: u32) -> Result<u32, Failure> {
        let (link, peer, names) = self.connects.take(operation)?;
        let number = self.number()?;
        let connection = Connection::new(link, peer, names, Arc::clone(&self.budget));
        self.connections.insert(number, connection);
        Ok(number)
    }

    pub(crate) fn connection(&self, number: u32) -> Result<&Connection, Failure> {
        self.connections.get(&number).ok_or_else(no_connection)
    }

    /// A connection that no TLS session has.
    pub(super) fn plain(&self, number: u32) -> Result<&Connection, Failure> {
        let connection = self.connection(number)?;
        match connection.session {
            None => Ok(connection),
            Some(_) => Err(failure(Code::Invalid, "the connection belongs to a TLS session")),
        }
    }

    pub(crate) fn receive(
        &mut self,
        number: u32,
        limit: u32,
        keep: bool,
    ) -> Result<Vec<u8>, Failure> {
        let mut buffer = self.buffer(limit);
        let received = self.plain(number).and_then(|on| on.receive(&mut buffer, keep));
        self.copied(buffer, received)
    }

    pub(crate) fn send(&mut self, number: u32, bytes: &[u8]) -> Result<u32, Failure> {
        let bytes = bytes.get(..MOST_BYTES).unwrap_or(bytes);
        let connection = self.plain(number)?;
        let peer = connection.peer();
        let looked = connection.asks(bytes);
        let (asked, after) = looked.map_err(|unclear| self.refuse_unclear(peer, unclear))?;
        for target in asked {
            self.permit_tunnel(peer, &target)?;
            self.connection_mut(number)?.permit(target);
        }
        let sent = self.connection_mut(number)?.send_plain(bytes, after)?;
        Ok(u32::try_from(sent).unwrap_or(u32::MAX))
    }

    fn connection_mut(&mut self, number: u32) -> Result<&mut Connection, Failure> {
        self.connections.get_mut(&number).ok_or_else(no_connection)
    }

    fn refuse_unclear(&self, peer: SocketAddr, unclear: Unclear) -> Failure {
        self.budget.connections.charge();
        let reason = unclear.to_string();
        let decision = Decision::on("tunnel").peer(peer);
        self.refuse(&decision, &reason, failure(Code::Denied, &*reason))
    }

    /// Whether a proxy may be asked to lead there: that counts as a connection. What is
    /// beyond it the host does not see, so the name is all there is to judge.
    fn permit_tunnel(&self, proxy: SocketAddr, target: &Target) -> Result<(), Failure> {
        let (host, port) = (&target.host, target.port);
        let shared = self.network.shared();
        let decision = Decision::on("tunnel").host(host).address(proxy.ip()).port(port);
        let denied =
            || failure(Code::Denied, format!("the host does not allow {host} at port {port}"));
        if !shared.policy.allows_host(host, port) {
            self.budget.connections.charge();
            return Err(self.refuse(&decision, "no rule allows it", denied()));
        }
        self.budget.connections.spend().map_err(|told| self.over_limit(&decision, told))?;
        let text = host.to_string();
        if let Err(reason) = shared.pass(&Attempt::Tunnel { proxy, host: &text, port }) {
            return Err(self.refuse(&decision, reason, denied()));
        }
        decision.allowed("the rules allow it");
        Ok(())
    }

    pub(crate) fn close(&mut self, number: u32) {
        if let Some(closed) = self.connections.remove(&number)
            && let Some(session) = closed.session
        {
            self.sessions.remove(&session);
        }
    }

    /// Room for what one call hands over, kept from call to call.
    pub(super) fn buffer(&mut self, limit: u32) -> Vec<u8> {
        let length = usize::try_from(limit).unwrap_or(MOST_BYTES).min(MOST_BYTES);
        let mut buffer = std::mem::take(&mut self.scratch);
        if buffer.len() < length {
            buffer.resize(length, 0);
        }
        buffer.truncate(length.max(4096));
        buffer.resize(length, 0);
        buffer
    }

    pub(super) fn copied(
        &mut self,
        buffer: Vec<u8>,
        length: Result<usize, Failure>,
    ) -> Result<Vec<u8>, Failure> {
        let bytes = length.map(|length| buffer.get(..length).unwrap_or_default().to_vec());
        self.scratch = buffer;
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Network;

    #[test]
    fn a_guest_asks_for_as_much_as_it_likes_and_gets_no_more_room() {
        let mut context = Network::nothing().context();
        for (limit, length) in [(u32::MAX, MOST_BYTES), (5, 5), (0, 0), (1 << 31, MOST_BYTES)] {
            let buffer = context.buffer(limit);
            assert_eq!(buffer.len(), length);
            assert!(context.copied(buffer, Ok(0)).unwrap().is_empty());
        }
    }
}
