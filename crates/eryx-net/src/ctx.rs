use crate::bindings::eryx::net::tls::Options;
use crate::bindings::eryx::net::types::{Code, Failure};
use crate::budget::{Budget, Place};
use crate::error::{failure, from_io, no_connection};
use crate::network::Network;
use crate::policy::{HostName, canonical};
use crate::request::{NetRequest, Wish, allowed};
use crate::secret::Rewriter;
use crate::slot::{Slot, Slots};
use crate::tcp::{self, Connection};
use crate::tls::{InMemory, Lower, Session};
use crate::view::Work;
use rustls::client::Resumption;
use rustls::pki_types::ServerName;
use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use tokio::net::TcpStream;
use tokio::sync::mpsc;

/// Bytes that one call hands over.
pub(crate) const MOST_BYTES: usize = 1 << 20;

/// Addresses kept of one name.
const MOST_ADDRESSES: usize = 32;

/// The network state of one run: what is open, and what is left of the limits.
/// Dropping it closes everything.
#[derive(Debug)]
pub struct NetCtx {
    network: Network,
    budget: Arc<Budget>,
    lookups: Slots<Found>,
    connects: Slots<(TcpStream, SocketAddr, Place)>,
    connections: HashMap<u32, Connection>,
    sessions: HashMap<u32, Session>,
    last: u32,
    /// Which names were resolved to an address in this run.
    names: HashMap<IpAddr, Vec<HostName>>,
    /// TLS sessions to go on with, of this run only.
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
            names: HashMap::new(),
            resumption: None,
            scratch: Vec::new(),
            requests: None,
        }
    }

    /// Has all that the rules allow from here on decided by who holds the other
    /// end of `requests`; a closed channel refuses everything, and who takes longer
    /// than [`NetLimits::connect`](crate::NetLimits::connect) lets it time out.
    /// With `None` nobody is asked.
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

    fn number(&mut self) -> Result<u32, Failure> {
        let next = self.last.checked_add(1);
        self.last = next.ok_or_else(|| failure(Code::Limit, "no numbers are left"))?;
        Ok(self.last)
    }
}

/// Names.
impl NetCtx {
    /// The work of looking up `name`, and where its result will be.
    pub(crate) fn look_up(&mut self, name: &str) -> Result<(Work, Slot<Found>), Failure> {
        let name: HostName = name
            .parse()
            .map_err(|error| failure(Code::UnknownName, format!("no host name: {error}")))?;
        let shared = self.network.shared();
        if !shared.permits_lookup(&name) {
            return Err(failure(Code::Denied, format!("the host does not allow {name}")));
        }
        self.budget.look_up()?;
        let time = shared.limits.connect;
        let permission = allowed(self.requests.clone(), Wish::LookUp(name.clone()));
        let network = self.network.clone();
        let slot = Slot::new();
        let result = slot.clone();
        let work = Box::pin(async move {
            let answer = async {
                if !permission.await {
                    return Err(failure(Code::Denied, format!("the host has refused {name}")));
                }
                let answer = network.shared().resolver.resolve(&name).await;
                answer.map_err(|error| not_resolved(&error))
            };
            result.put(match tokio::time::timeout(time, answer).await {
                Ok(addresses) => addresses.map(|addresses| (name, addresses)),
                Err(_) => Err(failure(Code::NoNameService, "no name service answered in time")),
            });
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
        let policy = &self.network.shared().policy;
        let mut allowed: Vec<IpAddr> = Vec::new();
        for address in found.into_iter().map(canonical) {
            let permitted = policy.allows_answer(&name, address);
            tracing::info!(%name, %address, allowed = permitted, "resolve");
            if permitted && !allowed.contains(&address) && allowed.len() < MOST_ADDRESSES {
                allowed.push(address);
            }
        }
        if allowed.is_empty() {
            let message = format!("{name} leads only to addresses that the host does not allow");
            return Err(failure(Code::Denied, message));
        }
        for address in &allowed {
            let names = self.names.entry(*address).or_default();
            if !names.contains(&name) {
                names.push(name.clone());
            }
        }
        Ok(allowed)
    }
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

/// A name and all addresses that it has.
type Found = (HostName, Vec<IpAddr>);

type Connected = Slot<(TcpStream, SocketAddr, Place)>;

/// Connections.
impl NetCtx {
    /// The work of connecting, and where its result will be.
    pub(crate) fn connect(
        &mut self,
        address: &str,
        port: u16,
    ) -> Result<(Work, Connected), Failure> {
        let ip: IpAddr = address
            .parse()
            .map_err(|_| failure(Code::Invalid, "this is not an address in its usual form"))?;
        let address = SocketAddr::new(canonical(ip), port);
        let shared = self.network.shared();
        let names = self.names.get(&address.ip()).map_or(&[][..], Vec::as_slice);
        if !shared.permits_connect(address, names) {
            return Err(failure(Code::Denied, format!("the host does not allow {address}")));
        }
        let place = self.budget.connections.take()?;
        let time = shared.limits.connect;
        let permission = allowed(self.requests.clone(), Wish::Connect(address, names.to_vec()));
        let slot = Slot::new();
        let result = slot.clone();
        let work = Box::pin(async move {
            let made = match tokio::time::timeout(time, permission).await {
                Ok(true) => tcp::connect(address, time).await,
                Ok(false) => Err(failure(Code::Denied, format!("the host has refused {address}"))),
                Err(_) => Err(failure(Code::TimedOut, "the host did not decide in time")),
            };
            result.put(made.map(|stream| (stream, address, place)));
        });
        Ok((work, slot))
    }

    pub(crate) fn await_connect(&mut self, operation: u32, slot: Connected) {
        self.connects.add(operation, slot);
    }

    pub(crate) fn take_connection(&mut self, operation: u32) -> Result<u32, Failure> {
        let (stream, peer, place) = self.connects.take(operation)?;
        let number = self.number()?;
        let connection = Connection::new(stream, peer, place, Arc::clone(&self.budget));
        self.connections.insert(number, connection);
        Ok(number)
    }

    pub(crate) fn connection(&self, number: u32) -> Result<&Connection, Failure> {
        self.connections.get(&number).ok_or_else(no_connection)
    }

    /// A connection that no TLS session has.
    fn plain(&self, number: u32) -> Result<&Connection, Failure> {
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

    pub(crate) fn send(&self, number: u32, bytes: &[u8]) -> Result<u32, Failure> {
        let sent = self.plain(number)?.send(bytes.get(..MOST_BYTES).unwrap_or(bytes))?;
        Ok(u32::try_from(sent).unwrap_or(u32::MAX))
    }

    /// The time for which the guest may wait on a connection.
    pub(crate) fn idle(&self) -> std::time::Duration {
        self.network.shared().limits.idle
    }

    pub(crate) fn close(&mut self, number: u32) {
        if let Some(closed) = self.connections.remove(&number)
            && let Some(session) = closed.session
        {
            self.sessions.remove(&session);
        }
    }

    /// Room for what one call hands over, kept from call to call.
    fn buffer(&mut self, limit: u32) -> Vec<u8> {
        let length = usize::try_from(limit).unwrap_or(MOST_BYTES).min(MOST_BYTES);
        let mut buffer = std::mem::take(&mut self.scratch);
        if buffer.len() < length {
            buffer.resize(length, 0);
        }
        buffer.truncate(length.max(4096));
        buffer.resize(length, 0);
        buffer
    }

    fn copied(
        &mut self,
        buffer: Vec<u8>,
        length: Result<usize, Failure>,
    ) -> Result<Vec<u8>, Failure> {
        let bytes = length.map(|length| buffer.get(..length).unwrap_or_default().to_vec());
        self.scratch = buffer;
        bytes
    }
}

/// TLS.
impl NetCtx {
    /// Begins a session on a connection, with the name it was made to.
    pub(crate) fn open_tls_on(&mut self, number: u32, options: &Options) -> Result<u32, Failure> {
        let peer = self.plain(number)?.peer();
        let known = self.names.get(&peer.ip()).map_or(&[][..], Vec::as_slice);
        let granted = self.network.shared().policy.grants_address(peer.ip(), peer.port());
        let host = match &options.server_name {
            Some(text) => Host::parse(text)?,
            None => known.first().cloned().map_or(Host::Address(peer.ip()), Host::Name),
        };
        let allowed = match &host {
            Host::Address(address) => *address == peer.ip(),
            Host::Name(name) => {
                (granted || known.contains(name))
                    && self.network.shared().policy.names(name, peer.port())
                    || (granted && self.network.shared().trust.grants_unverified(Some(name)))
            }
        };
        if !allowed {
            let message = format!("the connection was not made to {host}");
            return Err(failure(Code::Denied, message));
        }
        let verify = options.verify
            || !(self.network.shared().trust.grants_unverified(host.name())
                || self.network.shared().trust.grants_unverified_address(peer));
        let session = self.open_session(Some(number), &host, options, verify)?;
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
        let host = Host::parse(text)?;
        let verify = options.verify || !self.network.shared().trust.grants_unverified(host.name());
        self.open_session(None, &host, options, verify)
    }

    fn open_session(
        &mut self,
        connection: Option<u32>,
        host: &Host,
        options: &Options,
        verify: bool,
    ) -> Result<u32, Failure> {
        let place = self.budget.sessions.take()?;
        let resumption =
            self.resumption.get_or_insert_with(|| Resumption::in_memory_sessions(32)).clone();
        let shared = self.network.shared();
        let rewriter = match host.name() {
            Some(name) if verify => Rewriter::new(name, &shared.secrets),
            _ => None,
        };
        let mut config = shared
            .trust
            .client_config(host.name(), options, verify, &resumption)
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
        let session = Session::new(config, server, connection, rewriter, place)?;
        let number = self.number()?;
        self.sessions.insert(number, session);
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

/// What a session is with.
enum Host {
    Name(HostName),
    Address(IpAddr),
}

impl Host {
    fn parse(text: &str) -> Result<Self, Failure> {
        if let Ok(address) = text.parse::<IpAddr>() {
            return Ok(Self::Address(canonical(address)));
        }
        text.parse()
            .map(Self::Name)
            .map_err(|error| failure(Code::Invalid, format!("the server name is none: {error}")))
    }

    fn name(&self) -> Option<&HostName> {
        match self {
            Self::Name(name) => Some(name),
            Self::Address(_) => None,
        }
    }
}

impl std::fmt::Display for Host {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Name(name) => name.fmt(f),
            Self::Address(address) => address.fmt(f),
        }
    }
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
