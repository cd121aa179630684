use super::NetCtx;
use crate::bindings::eryx::net::tls::Options;
use crate::bindings::eryx::net::types::{Code, Failure};
use crate::decision::Decision;
use crate::error::{failure, from_io, no_connection};
use crate::policy::Host;
use crate::secret::Rewriter;
use crate::tcp::Connection;
use crate::tls::{InMemory, Lower, Session};
use rustls::client::Resumption;
use rustls::pki_types::ServerName;
use std::io;

/// Bytes of all ALPN protocols that the guest names.
const MOST_PROTOCOLS: usize = 4 << 10;

/// What a session starts from, as the host has decided.
struct Opening<'a> {
    connection: Option<u32>,
    host: &'a Host,
    verify: bool,
    decision: Decision,
}

impl NetCtx {
    /// Begins a session on a connection, with the name it was made to.
    pub(crate) fn open_tls_on(&mut self, number: u32, options: &Options) -> Result<u32, Failure> {
        let connection = self.plain(number)?;
        let host = match &options.server_name {
            Some(text) => parse(text)?,
            None => own_host(connection),
        };
        let decision = Decision::on("TLS").host(&host).peer(connection.peer());
        if !self.leads_to(connection, &host) {
            self.budget.sessions.charge();
            let told = failure(Code::Denied, format!("the connection was not made to {host}"));
            return Err(self.refuse(&decision, "the connection was not made to it", told));
        }
        let verify = options.verify || !self.grants_unverified(connection, &host);
        let opening = Opening { connection: Some(number), host: &host, verify, decision };
        let session = self.open_session(opening, options)?;
        if let Some(connection) = self.connections.get_mut(&number) {
            connection.session = Some(session);
        }
        Ok(session)
    }

    /// Begins a session whose records the guest carries.
    pub(crate) fn open_tls(&mut self, options: &Options) -> Result<u32, Failure> {
        let text = options.server_name.as_deref();
        let text = text
            .ok_or_else(|| failure(Code::Invalid, "TLS in memory needs the name of the server"))?;
        let host = parse(text)?;
        let decision = Decision::on("TLS").host(&host);
        let shared = self.network.shared();
        let known = match &host {
            Host::Name(_) => false,
            Host::Address(address) => !self.names.of(*address).is_empty(),
        };
        if !(known || shared.policy.mentions(&host) || shared.trust.unverified().mentions(&host)) {
            self.budget.sessions.charge();
            let told = failure(Code::Denied, format!("the host does not allow {host}"));
            return Err(self.refuse(&decision, "no rule allows it", told));
        }
        let verify = options.verify || !self.grants_unverified_in_memory(&host);
        self.open_session(Opening { connection: None, host: &host, verify, decision }, options)
    }

    /// Whether a connection was made to `host`, or through a proxy that was asked for it.
    fn leads_to(&self, connection: &Connection, host: &Host) -> bool {
        let peer = connection.peer();
        let shared = self.network.shared();
        if connection.connected().is_some_and(|target| target.host == *host) {
            return true;
        }
        match host {
            Host::Address(address) => *address == peer.ip(),
            Host::Name(name) => {
                let granted = shared.policy.grants_address(peer.ip(), peer.port());
                let ours = granted || connection.names().contains(name);
                ours && shared.policy.names(name, peer.port())
                    || granted && shared.trust.unverified().names(name, peer.port())
            }
        }
    }

    /// Whether the certificate of `host`, to which a connection leads, need not be
    /// verified: at this port.
    fn grants_unverified(&self, connection: &Connection, host: &Host) -> bool {
        let unverified = self.network.shared().trust.unverified();
        if let Some(target) = connection.connected() {
            return unverified.allows_host(&target.host, target.port);
        }
        let peer = connection.peer();
        unverified.allows_host(host, peer.port())
            || unverified.grants_address(peer.ip(), peer.port())
    }

    /// Likewise for a session in memory. The guest does not say what carries it, so
    /// every connection to `host` must be one where that is granted.
    fn grants_unverified_in_memory(&self, host: &Host) -> bool {
        let mut connections =
            self.connections.values().filter(|connection| self.leads_to(connection, host));
        let mut any = false;
        let all = connections.all(|connection| {
            any = true;
            self.grants_unverified(connection, host)
        });
        any && all
    }

    fn open_session(&mut self, opening: Opening<'_>, options: &Options) -> Result<u32, Failure> {
        let Opening { connection, host, verify, decision } = opening;
        check_protocols(&options.protocols)?;
        let place = self.budget.sessions.take().map_err(|told| self.over_limit(&decision, told))?;
        let resumption =
            self.resumption.get_or_insert_with(|| Resumption::in_memory_sessions(32)).clone();
        let shared = self.network.shared();
        let rewriter = match host.name() {
            Some(name) if verify => Rewriter::new(name, &shared.secrets),
            _ => None,
        };
        let mut config = shared
            .trust
            .client_config(host, options, verify, resumption)
            .map_err(|reason| failure(Code::Protocol, reason))?;
        if rewriter.is_some() {
            // Secrets are put into HTTP/1.1.
            config.alpn_protocols.retain(|protocol| protocol != b"h2");
        }
        let server = match host {
            Host::Address(address) => ServerName::from(*address),
            Host::Name(name) => ServerName::try_from(name.as_str().to_owned())
                .map_err(|_| failure(Code::Invalid, "TLS cannot speak of this name"))?,
        };
        let session = Session::new(config, server, verify, connection, rewriter, place)?;
        let number = self.number()?;
        self.sessions.insert(number, session);
        decision.allowed(if verify {
            "the certificate will be verified"
        } else {
            "unverified, which the host has granted"
        });
        Ok(number)
    }

    pub(crate) fn session(&mut self, number: u32) -> Result<&mut Session, Failure> {
        self.sessions
            .get_mut(&number)
            .ok_or_else(|| failure(Code::Closed, "there is no such TLS session"))
    }

    /// A session with what carries its records.
    pub(crate) fn with_session<R>(
        &mut self,
        number: u32,
        act: impl FnOnce(&mut Session, &mut dyn Lower) -> Result<R, Failure>,
    ) -> Result<R, Failure> {
        let session = self.sessions.get_mut(&number);
        let session =
            session.ok_or_else(|| failure(Code::Closed, "there is no such TLS session"))?;
        match session.connection {
            None => act(session, &mut InMemory),
            Some(below) => {
                let connection = self.connections.get(&below).ok_or_else(no_connection)?;
                act(session, &mut OnTcp(connection))
            }
        }
    }

    pub(crate) fn receive_tls(&mut self, number: u32, limit: u32) -> Result<Vec<u8>, Failure> {
        let mut buffer = self.buffer(limit);
        let received =
            self.with_session(number, |session, lower| session.receive(&mut buffer, lower));
        self.copied(buffer, received)
    }

    pub(crate) fn close_tls(&mut self, number: u32) {
        let below = self.sessions.remove(&number).and_then(|session| session.connection);
        if let Some(connection) = below.and_then(|below| self.connections.get_mut(&below)) {
            connection.session = None;
        }
    }
}

/// What a connection was made to, or through a proxy that was asked for it.
fn own_host(connection: &Connection) -> Host {
    match (connection.connected(), connection.names()) {
        (Some(target), _) => target.host.clone(),
        (None, [name, ..]) => Host::Name(name.clone()),
        (None, []) => Host::Address(connection.peer().ip()),
    }
}

fn parse(text: &str) -> Result<Host, Failure> {
    text.parse()
        .map_err(|error| failure(Code::Invalid, format!("the server name is none: {error}")))
}

/// TLS has no way to write other protocols than these.
fn check_protocols(protocols: &[Vec<u8>]) -> Result<(), Failure> {
    let total = protocols.iter().fold(0_usize, |total, one| total.saturating_add(one.len()));
    let fit = protocols.iter().all(|one| (1..=255).contains(&one.len()));
    if fit && total <= MOST_PROTOCOLS {
        return Ok(());
    }
    let message = "ALPN protocols have 1 to 255 bytes each, and at most 4 KiB in all";
    Err(failure(Code::Invalid, message))
}

struct OnTcp<'a>(&'a Connection);

impl Lower for OnTcp<'_> {
    fn receive(&mut self, buffer: &mut [u8]) -> Result<usize, Failure> {
        self.0.receive(buffer, false)
    }

    fn send(&mut self, bytes: &[u8]) -> Result<usize, Failure> {
        self.0.send(bytes)
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        from_io(&error)
    }
}
