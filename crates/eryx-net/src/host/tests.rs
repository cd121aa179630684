//! The imports, driven as a hostile guest would, without a guest.

use super::Guest;
use crate::bindings::eryx::net::tls::{Host as Tls, Options, Version};
use crate::bindings::eryx::net::types::Code;
use crate::bindings::eryx::net::{names::Host as Names, tcp::Host as Tcp};
use crate::{
    Answer, HostName, NetConfig, NetCtx, NetLimits, NetView, Resolver, TooManyOperations, Work,
};
use std::net::Ipv4Addr;
use tokio::net::TcpListener;

/// Does work when it is told to, and no more than two pieces at once.
struct Embedder {
    net: NetCtx,
    work: Vec<(u32, Work)>,
    last: u32,
}

impl Embedder {
    fn new(config: NetConfig) -> Self {
        Self { net: config.build().unwrap().context(), work: Vec::new(), last: 0 }
    }

    async fn finish(&mut self) {
        for (_, work) in self.work.drain(..) {
            work.await;
        }
    }
}

impl NetView for Embedder {
    fn net(&mut self) -> &mut NetCtx {
        &mut self.net
    }

    fn submit(&mut self, work: Work) -> Result<u32, TooManyOperations> {
        if self.work.len() == 2 {
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

fn code<T: std::fmt::Debug>(result: Result<T, super::types::Failure>) -> Code {
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
