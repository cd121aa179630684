//! The imports, driven as a hostile guest would, without a guest.

mod proxies;
mod reads;

use super::Guest;
use crate::bindings::eryx::net::tls::{Host as Tls, Options, Version};
use crate::bindings::eryx::net::types::{Code, Failure};
use crate::bindings::eryx::net::{names::Host as Names, tcp::Host as Tcp};
use crate::{
    Answer, Attempt, HostName, NetConfig, NetCtx, NetLimits, NetView, Resolver, TooManyOperations,
    Work,
};
use futures_util::future::join_all;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream};

/// Does work when it is told to, and no more than two pieces at once at first.
struct Embedder {
    net: NetCtx,
    work: Vec<(u32, Work)>,
    most: usize,
    last: u32,
}

impl Embedder {
    fn new(config: NetConfig) -> Self {
        Self { net: config.build().unwrap().context(), work: Vec::new(), most: 2, last: 0 }
    }

    async fn finish(&mut self) {
        join_all(self.work.drain(..).map(|(_, work)| work)).await;
    }

    /// A connection to a port of this machine.
    async fn connected(&mut self, port: u16) -> Result<u32, Failure> {
        let operation = Guest(self).connect("127.0.0.1".into(), port)?;
        self.finish().await;
        Guest(self).take_connection(operation)
    }
}

impl NetView for Embedder {
    fn net(&mut self) -> &mut NetCtx {
        &mut self.net
    }

    fn submit(&mut self, work: Work) -> Result<u32, TooManyOperations> {
        if self.work.len() == self.most {
            return Err(TooManyOperations);
        }
        self.last += 1;
        self.work.push((self.last, work));
        Ok(self.last)
    }
}

struct Local;

impl Resolver for Local {
    fn resolve(&self, _name: &HostName) -> Answer {
        Box::pin(async { Ok(vec![Ipv4Addr::LOCALHOST.into(); 100]) })
    }
}

fn local() -> NetConfig {
    NetConfig::new().allow("127.0.0.1:*").unwrap().allow("a.test:*").unwrap().resolver(Local)
}

fn options() -> Options {
    Options {
        server_name: None,
        protocols: Vec::new(),
        oldest: Version::Tls12,
        newest: Version::Tls13,
        verify: true,
    }
}

fn code<T: std::fmt::Debug>(result: Result<T, Failure>) -> Code {
    result.unwrap_err().code
}

#[test]
fn numbers_that_were_never_given() {
    let mut embedder = Embedder::new(local());
    let mut guest = Guest(&mut embedder);
    for number in [0, 1, u32::MAX] {
        assert_eq!(code(guest.take_addresses(number)), Code::Closed);
        assert_eq!(code(guest.take_connection(number)), Code::Closed);
        assert_eq!(code(guest.ends(number)), Code::Closed);
        assert_eq!(code(Tcp::receive(&mut guest, number, u32::MAX, false)), Code::Closed);
        assert_eq!(code(Tcp::send(&mut guest, number, vec![0])), Code::Closed);
        assert_eq!(code(guest.readable(number)), Code::Closed);
        assert_eq!(code(guest.writable(number)), Code::Closed);
        assert_eq!(code(guest.open_on(number, options())), Code::Closed);
        assert_eq!(code(guest.handshake(number)), Code::Closed);
        assert_eq!(code(Tls::receive(&mut guest, number, u32::MAX)), Code::Closed);
        assert_eq!(code(guest.feed(number, vec![0])), Code::Closed);
        assert_eq!(code(guest.drain(number, u32::MAX)), Code::Closed);
        Tcp::close(&mut guest, number);
        Tls::close(&mut guest, number);
    }
}

#[test]
fn addresses_are_taken_in_one_spelling_only() {
    let mut embedder = Embedder::new(local());
    for spelling in [
        "127.1",
        "0x7f000001",
        "2130706433",
        "0177.0.0.1",
        "127.0.0.1:80",
        "",
        "a.test",
        " 127.0.0.1",
        "127.0.0.1\0",
        "[::1]",
        "::1%lo",
    ] {
        assert_eq!(code(Guest(&mut embedder).connect(spelling.into(), 80)), Code::Invalid);
    }
    assert_eq!(code(Guest(&mut embedder).connect("127.0.0.1".into(), 0)), Code::Denied);
    for name in ["", ".", "a..b", "127.0.0.1", "127.1", "a\0b", "é"] {
        assert_eq!(code(Guest(&mut embedder).resolve(name.into())), Code::UnknownName);
    }
    assert_eq!(code(Guest(&mut embedder).resolve("b.test".into())), Code::Denied);
    assert!(embedder.work.is_empty());
}

#[tokio::test]
async fn what_is_not_finished_cannot_be_taken_and_what_is_only_once() {
    let mut embedder = Embedder::new(local());
    let operation = Guest(&mut embedder).resolve("A.TEST.".into()).unwrap();
    assert_eq!(code(Guest(&mut embedder).take_addresses(operation)), Code::Unfinished);
    assert_eq!(code(Guest(&mut embedder).take_connection(operation)), Code::Closed);
    embedder.finish().await;
    let found = Guest(&mut embedder).take_addresses(operation).unwrap();
    assert_eq!(found, ["127.0.0.1"]);
    assert_eq!(code(Guest(&mut embedder).take_addresses(operation)), Code::Closed);
}

#[tokio::test]
async fn places_come_back_when_work_cannot_be_done() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let limits = NetLimits { open: 3, total: 10, ..NetLimits::default() };
    let mut embedder = Embedder::new(local().limits(limits));
    for _ in 0..2 {
        Guest(&mut embedder).connect("127.0.0.1".into(), port).unwrap();
    }
    // The embedder has no room: that costs no place.
    for _ in 0..3 {
        let refused = Guest(&mut embedder).connect("127.0.0.1".into(), port);
        assert_eq!(refused.unwrap_err().message, TooManyOperations.to_string());
    }
    // Given up by the guest, so dropped by the embedder: likewise.
    embedder.work.clear();
    for _ in 0..2 {
        Guest(&mut embedder).connect("127.0.0.1".into(), port).unwrap();
    }
    embedder.finish().await;
    Guest(&mut embedder).connect("127.0.0.1".into(), port).unwrap();
    embedder.finish().await;
    assert_eq!(code(Guest(&mut embedder).connect("127.0.0.1".into(), port)), Code::Limit);
}

#[tokio::test]
async fn a_connection_is_its_sessions_until_that_ends() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let mut embedder = Embedder::new(local());
    let operation = Guest(&mut embedder).connect("127.0.0.1".into(), port).unwrap();
    embedder.finish().await;
    let mut guest = Guest(&mut embedder);
    let connection = guest.take_connection(operation).unwrap();
    // Neither a name it was not made to, nor one that no rule has.
    for name in ["a.test", "example.com", "127.0.0.2"] {
        let options = Options { server_name: Some(name.into()), ..options() };
        let opened = guest.open_on(connection, options);
        // The address is granted as such, and the name by a rule.
        assert_eq!(opened.is_ok(), name == "a.test", "{name}");
        if let Ok(session) = opened {
            Tls::close(&mut guest, session);
        }
    }
    let session = guest.open_on(connection, options()).unwrap();
    assert_eq!(code(guest.open_on(connection, options())), Code::Invalid);
    assert_eq!(code(Tcp::send(&mut guest, connection, vec![0])), Code::Invalid);
    assert_eq!(code(Tcp::receive(&mut guest, connection, 1, false)), Code::Invalid);
    assert_eq!(code(Tls::send(&mut guest, session, vec![0])), Code::Invalid);
    Tls::close(&mut guest, session);
    assert_eq!(Tcp::send(&mut guest, connection, vec![0; 3]).unwrap(), 3);
    let session = guest.open_on(connection, options()).unwrap();
    Tcp::close(&mut guest, connection);
    assert_eq!(code(guest.handshake(session)), Code::Closed);
}

#[test]
fn sessions_in_memory_hold_little_and_are_few() {
    let limits = NetLimits { open: 2, ..NetLimits::default() };
    let mut embedder = Embedder::new(local().limits(limits));
    let mut guest = Guest(&mut embedder);
    let named = || Options { server_name: Some("a.test".into()), ..options() };
    assert_eq!(code(guest.open(options())), Code::Invalid);
    let nonsense = Options { oldest: Version::Tls13, newest: Version::Tls12, ..named() };
    assert_eq!(code(guest.open(nonsense)), Code::Protocol);
    let session = guest.open(named()).unwrap();
    guest.open(named()).unwrap();
    assert_eq!(code(guest.open(named())), Code::Limit);
    assert_eq!(code(guest.handshake(session)), Code::WantRead);
    assert!(!guest.drain(session, u32::MAX).unwrap().is_empty());
    let mut fed = 0;
    while let more @ 1.. = guest.feed(session, vec![0x16; 1 << 20]).unwrap() {
        fed += more;
    }
    assert!(fed <= 256 << 10, "{fed}");
    assert_eq!(code(guest.handshake(session)), Code::Protocol);
    assert_eq!(code(guest.handshake(session)), Code::Protocol);
}

async fn listener() -> (TcpListener, u16) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, port)
}

fn few(open: u32, total: u32) -> NetConfig {
    local().limits(NetLimits { open, total, ..NetLimits::default() })
}

#[tokio::test]
async fn a_place_is_free_when_the_socket_is_closed_and_not_before() {
    let (listener, port) = listener().await;
    let mut embedder = Embedder::new(few(1, 100));
    let connection = embedder.connected(port).await.unwrap();
    let (mut peer, _) = listener.accept().await.unwrap();
    // Who waits for it still has the socket when the guest has closed it.
    assert!(Guest(&mut embedder).readable(connection).unwrap().is_some());
    Tcp::close(&mut Guest(&mut embedder), connection);
    assert_eq!(code(embedder.connected(port).await), Code::Limit);
    embedder.finish().await;
    assert_eq!(peer.read(&mut [0]).await.unwrap(), 0);
    // A session on top of it has a place of its own and takes none from it.
    let connection = embedder.connected(port).await.unwrap();
    let session = Guest(&mut embedder).open_on(connection, options()).unwrap();
    Tls::close(&mut Guest(&mut embedder), session);
    assert_eq!(code(embedder.connected(port).await), Code::Limit);
    Tcp::close(&mut Guest(&mut embedder), connection);
    // A connection that nobody has taken counts, one that was given up does not.
    Guest(&mut embedder).connect("127.0.0.1".into(), port).unwrap();
    assert_eq!(code(embedder.connected(port).await), Code::Limit);
    embedder.work.clear();
    let untaken = Guest(&mut embedder).connect("127.0.0.1".into(), port).unwrap();
    embedder.finish().await;
    assert_eq!(code(embedder.connected(port).await), Code::Limit);
    let connection = Guest(&mut embedder).take_connection(untaken).unwrap();
    Tcp::close(&mut Guest(&mut embedder), connection);
    // Nor does one that could not be made.
    drop(listener);
    for _ in 0..5 {
        assert_eq!(code(embedder.connected(port).await), Code::Refused);
    }
}

#[tokio::test]
async fn refusals_are_charged_and_a_run_begins_anew() {
    let (_listener, port) = listener().await;
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let gate = move |attempt: &Attempt<'_>| {
        count.fetch_add(1, SeqCst);
        !matches!(attempt, Attempt::Connect { address, .. } if address.port() == 1)
    };
    let mut embedder = Embedder::new(few(8, 5).gate(gate));
    for _ in 0..2 {
        assert_eq!(code(Guest(&mut embedder).connect("10.0.0.1".into(), 80)), Code::Denied);
        assert_eq!(code(Guest(&mut embedder).connect("127.0.0.1".into(), 1)), Code::Denied);
        assert_eq!(code(Guest(&mut embedder).resolve("b.test".into())), Code::Denied);
    }
    embedder.connected(port).await.unwrap();
    for _ in 0..100_000 {
        assert_eq!(code(Guest(&mut embedder).connect("10.0.0.1".into(), 80)), Code::Denied);
        assert_eq!(code(Guest(&mut embedder).connect("127.0.0.1".into(), 1)), Code::Limit);
        assert_eq!(code(Guest(&mut embedder).resolve("b.test".into())), Code::Denied);
    }
    assert_eq!(asked.load(SeqCst), 3);
    assert_eq!(code(Guest(&mut embedder).resolve("a.test".into())), Code::Limit);
    embedder.net.begin_run();
    embedder.connected(port).await.unwrap();
    Guest(&mut embedder).resolve("a.test".into()).unwrap();
}

#[tokio::test]
async fn a_peer_that_does_not_answer_is_given_up() {
    let full = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    full.bind(&std::net::SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).unwrap();
    full.listen(0).unwrap();
    let address = full.local_addr().unwrap().as_socket().unwrap();
    // As many as it takes until the system no longer answers.
    let mut waiting = Vec::new();
    while let Ok(Ok(stream)) =
        tokio::time::timeout(Duration::from_millis(300), TcpStream::connect(address)).await
    {
        waiting.push(stream);
    }
    let limits = NetLimits { open: 1, connect: Duration::from_millis(50), ..NetLimits::default() };
    let mut embedder = Embedder::new(local().limits(limits));
    for _ in 0..2 {
        assert_eq!(code(embedder.connected(address.port()).await), Code::TimedOut);
    }
}

#[tokio::test]
async fn a_connection_where_nothing_moves_is_closed() {
    let (listener, port) = listener().await;
    let limits = NetLimits { open: 1, idle: Duration::from_millis(50), ..NetLimits::default() };
    let mut embedder = Embedder::new(local().limits(limits));
    let connection = embedder.connected(port).await.unwrap();
    let (mut peer, _) = listener.accept().await.unwrap();
    // Nobody waits for anything on our side.
    assert_eq!(peer.read(&mut [0]).await.unwrap(), 0);
    let mut guest = Guest(&mut embedder);
    assert_eq!(code(Tcp::receive(&mut guest, connection, 1, false)), Code::TimedOut);
    assert_eq!(code(Tcp::receive(&mut guest, connection, 1, true)), Code::TimedOut);
    assert_eq!(code(Tcp::send(&mut guest, connection, vec![0])), Code::TimedOut);
    assert_eq!(code(guest.ends(connection)), Code::TimedOut);
    assert_eq!(guest.readable(connection).unwrap(), None);
    assert_eq!(guest.writable(connection).unwrap(), None);
    // Its place is free though the guest has not closed it, and nobody who waits is
    // forgotten.
    let connection = embedder.connected(port).await.unwrap();
    assert!(Guest(&mut embedder).readable(connection).unwrap().is_some());
    embedder.finish().await;
    let mut guest = Guest(&mut embedder);
    assert_eq!(code(Tcp::receive(&mut guest, connection, 1, false)), Code::TimedOut);
}

/// Has so many at once, and one more look-up after the other.
struct Slow(Arc<AtomicUsize>, Arc<AtomicUsize>);

impl Resolver for Slow {
    fn resolve(&self, _name: &HostName) -> Answer {
        let (now, most) = (Arc::clone(&self.0), Arc::clone(&self.1));
        Box::pin(async move {
            most.fetch_max(now.fetch_add(1, SeqCst) + 1, SeqCst);
            tokio::task::yield_now().await;
            now.fetch_sub(1, SeqCst);
            Ok(vec![Ipv4Addr::LOCALHOST.into()])
        })
    }
}

#[tokio::test]
async fn few_names_are_looked_up_at_once() {
    let most = Arc::new(AtomicUsize::new(0));
    let slow = Slow(Arc::default(), Arc::clone(&most));
    let mut embedder = Embedder::new(few(3, 20).resolver(slow));
    embedder.most = 100;
    let operations: Vec<_> =
        (0..20).map(|_| Guest(&mut embedder).resolve("a.test".into()).unwrap()).collect();
    assert_eq!(code(Guest(&mut embedder).resolve("a.test".into())), Code::Limit);
    embedder.finish().await;
    for operation in operations {
        assert_eq!(Guest(&mut embedder).take_addresses(operation).unwrap(), ["127.0.0.1"]);
    }
    assert_eq!(most.load(SeqCst), 3);
}

struct Panicking;

impl Resolver for Panicking {
    fn resolve(&self, name: &HostName) -> Answer {
        assert!(name.as_str().starts_with("late"), "it panics at once");
        Box::pin(async { panic!("it panics later") })
    }
}

#[tokio::test]
async fn who_panics_has_refused_or_found_nothing() {
    let gate = |attempt: &Attempt<'_>| match attempt {
        Attempt::LookUp { name } if name.as_str() == "gate.test" => panic!("the gate panics"),
        Attempt::Connect { .. } => panic!("the gate panics"),
        _ => true,
    };
    let mut embedder =
        Embedder::new(local().allow("*.test:*").unwrap().resolver(Panicking).gate(gate));
    assert_eq!(code(Guest(&mut embedder).resolve("gate.test".into())), Code::Denied);
    assert_eq!(code(Guest(&mut embedder).connect("127.0.0.1".into(), 80)), Code::Denied);
    for name in ["a.test", "late.test"] {
        let operation = Guest(&mut embedder).resolve(name.into()).unwrap();
        embedder.finish().await;
        assert_eq!(code(Guest(&mut embedder).take_addresses(operation)), Code::UnknownName);
    }
}

#[tokio::test]
async fn protocols_that_cannot_be_written() {
    let (_listener, port) = listener().await;
    let mut embedder = Embedder::new(local());
    let connection = embedder.connected(port).await.unwrap();
    let mut guest = Guest(&mut embedder);
    for protocols in [vec![vec![]], vec![vec![0; 256]], vec![vec![b'x'; 255]; 17], vec![vec![]; 9]]
    {
        let wrong = || Options {
            server_name: Some("a.test".into()),
            protocols: protocols.clone(),
            ..options()
        };
        assert_eq!(code(guest.open_on(connection, wrong())), Code::Invalid);
        assert_eq!(code(guest.open(wrong())), Code::Invalid);
    }
    let right = Options { protocols: vec![vec![b'x'; 255], vec![0]], ..options() };
    let session = guest.open_on(connection, right).unwrap();
    assert_eq!(code(guest.handshake(session)), Code::WantRead);
}

#[tokio::test]
async fn verification_is_left_out_at_the_port_for_which_that_is_granted() {
    let ((_one, granted), (_other, other)) = (listener().await, listener().await);
    let rule = format!("a.test:{granted}").parse().unwrap();
    let mut embedder = Embedder::new(local().dangerously_allow_unverified(rule));
    let (first, second) =
        (embedder.connected(granted).await.unwrap(), embedder.connected(other).await.unwrap());
    let asking = || Options { server_name: Some("a.test".into()), verify: false, ..options() };
    let unverified = |embedder: &mut Embedder, on: Option<u32>| {
        let session = match on {
            Some(connection) => Guest(embedder).open_on(connection, asking()).unwrap(),
            None => Guest(embedder).open(asking()).unwrap(),
        };
        let unverified = !embedder.net.session(session).unwrap().is_verified();
        Tls::close(&mut Guest(embedder), session);
        unverified
    };
    assert!(unverified(&mut embedder, Some(first)));
    assert!(!unverified(&mut embedder, Some(second)));
    // In memory it could be either.
    assert!(!unverified(&mut embedder, None));
    Tcp::close(&mut Guest(&mut embedder), second);
    assert!(unverified(&mut embedder, None));
    Tcp::close(&mut Guest(&mut embedder), first);
    assert!(!unverified(&mut embedder, None));
}

#[test]
fn no_session_with_whom_no_rule_mentions() {
    let mut embedder = Embedder::new(local());
    for name in ["example.com", "b.a.test", "127.0.0.2", "10.0.0.1"] {
        let options = Options { server_name: Some(name.into()), ..options() };
        assert_eq!(code(Guest(&mut embedder).open(options)), Code::Denied, "{name}");
    }
}
