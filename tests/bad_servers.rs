//! Servers that do what they should not, and what a program then sees. Whatever
//! they do, the next request of the same program works.

use crate::network::run;
use crate::peers::{Authority, Here, Server, http, network, sandbox_with, trusting};
use eryx::{NetConfig, NetLimits, NetRule};
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

/// Answers each request with these bytes and hangs up.
fn answering(bytes: impl Into<Vec<u8>>) -> Server {
    let bytes = bytes.into();
    Server::tcp(move |mut stream| {
        read_head(&mut stream);
        let _ = stream.write_all(&bytes);
    })
}

fn read_head(stream: &mut TcpStream) {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") && matches!(stream.read(&mut byte), Ok(1)) {
        head.push(byte[0]);
    }
}

/// What a client of HTTP makes of a server: the class of the error, or the length
/// of the body.
async fn outcome(server: &Server) -> String {
    let code = r"
import http.client, socket
c = http.client.HTTPConnection('127.0.0.1', PORT, timeout=5)
try:
    c.request('GET', '/')
    print(len(c.getresponse().read()))
except (OSError, ValueError, http.client.HTTPException) as e: print(type(e).__name__)
";
    run(&sandbox_with(network()), code, server).await.trim_end().to_owned()
}

#[tokio::test]
async fn http_that_is_none() {
    let head = "HTTP/1.1 200 OK\r\n";
    for (answer, expected) in [
        (String::new(), "RemoteDisconnected"),
        ("\0\u{1}\u{2}".into(), "BadStatusLine"),
        ("HTTP/9.9 x\r\n\r\n".into(), "BadStatusLine"),
        ("SSH-2.0-x\r\n".into(), "BadStatusLine"),
        (format!("{head}Content-Length: 10\r\n\r\nshort"), "IncompleteRead"),
        (format!("{head}Transfer-Encoding: chunked\r\n\r\nzz\r\n"), "IncompleteRead"),
        (format!("{head}Transfer-Encoding: chunked\r\n\r\n5\r\nab"), "IncompleteRead"),
        (format!("{head}Content-Length: -5\r\n\r\nrest"), "4"),
        (format!("{head}{}\r\n\r\n", "A: b\r\n".repeat(200)), "HTTPException"),
        (format!("{head}A: {}\r\n\r\n", "b".repeat(70_000)), "LineTooLong"),
        ("x".repeat(70_000), "LineTooLong"),
        (format!("{}{head}\r\nbody", "HTTP/1.1 100 Continue\r\n\r\n".repeat(50)), "4"),
    ] {
        let shown: String = answer.chars().take(60).collect();
        assert_eq!(outcome(&answering(answer)).await, expected, "{shown:?}");
    }
}

#[tokio::test]
async fn connections_that_break() {
    // To close with bytes unread resets the connection: at once, in the middle.
    for sent in ["", "HTTP/1.1 200 OK\r\nContent-Length: 99999\r\n\r\nhalf"] {
        let server = Server::tcp(move |mut stream| {
            stream.peek(&mut [0]).unwrap();
            let _ = stream.write_all(sent.as_bytes());
        });
        let seen = outcome(&server).await;
        let expected = ["ConnectionResetError", "RemoteDisconnected", "IncompleteRead"];
        assert!(expected.contains(&seen.as_str()), "{sent:?}: {seen}");
    }
}

#[tokio::test]
async fn slow_servers_are_waited_for_as_long_as_wanted() {
    // A byte now and then: each read is in time, so it is the program that ends it.
    let dripping = |pause: u64| {
        Server::tcp(move |mut stream| {
            read_head(&mut stream);
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 30\r\n\r\n");
            for _ in 0..30 {
                std::thread::sleep(Duration::from_millis(pause));
                if stream.write_all(b"x").is_err() {
                    return;
                }
            }
        })
    };
    assert_eq!(outcome(&dripping(5)).await, "30");
    let code = r"
import asyncio, socket, urllib.request
async def fetch():
    reader, writer = await asyncio.open_connection('127.0.0.1', PORT)
    writer.write(b'GET / HTTP/1.0\r\n\r\n')
    return await reader.read()
async def main():
    ticks = 0
    async def tick():
        nonlocal ticks
        while True:
            await asyncio.sleep(0.001)
            ticks += 1
    ticking = asyncio.create_task(tick())
    try: await asyncio.wait_for(fetch(), 0.1)
    except TimeoutError: print('gave up', ticks > 0)
    ticking.cancel()
asyncio.run(main())
try: urllib.request.urlopen('http://127.0.0.1:PORT/', timeout=0.05).read()
except TimeoutError as e: print('timed out')
";
    let out = run(&sandbox_with(network()), code, &dripping(60_000)).await;
    assert_eq!(out, "gave up True\ntimed out\n");
}

#[tokio::test]
async fn endless_answers_end_at_the_limit() {
    let endless = |front: &'static str, piece: &'static str| {
        Server::tcp(move |mut stream| {
            read_head(&mut stream);
            let _ = stream.write_all(front.as_bytes());
            while stream.write_all(piece.repeat(1000).as_bytes()).is_ok() {}
        })
    };
    for (front, piece, expected) in [
        ("HTTP/1.1 200 OK\r\n\r\n", "body", "OSError"),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "1\r\nx\r\n", "OSError"),
        ("HTTP/1.1 200 OK\r\n", "A: b\r\n", "HTTPException"),
        ("", "HTTP/1.1 100 Continue\r\n\r\n", "OSError"),
        ("", "\r\n", "BadStatusLine"),
    ] {
        let server = endless(front, piece);
        let limits = NetLimits { bytes_in: 2 << 20, ..NetLimits::default() };
        let code = r"
import http.client, socket
c = http.client.HTTPConnection('127.0.0.1', PORT, timeout=30)
try:
    c.request('GET', '/')
    print(len(c.getresponse().read()))
except (OSError, http.client.HTTPException) as e: print(type(e).__name__)
";
        let out = run(&sandbox_with(network().limits(limits)), code, &server).await;
        assert_eq!(out, format!("{expected}\n"), "{front:?} {piece:?}");
    }
}

/// What a client of TLS makes of a server that spoils the bytes of a real one.
async fn spoilt(
    authority: &Authority,
    spoil: impl Fn(usize, &mut Vec<u8>) -> bool + Send + Sync + 'static,
) -> String {
    let config = Arc::new(authority.server("server.test"));
    let server = Server::tcp(move |tcp| {
        let mut tls = rustls::ServerConnection::new(Arc::clone(&config)).unwrap();
        let mut tcp = tcp;
        let mut sent = 0;
        loop {
            while tls.wants_write() {
                let mut bytes = Vec::new();
                tls.write_tls(&mut bytes).unwrap();
                let goes_on = spoil(sent, &mut bytes);
                sent += bytes.len();
                if tcp.write_all(&bytes).is_err() || !goes_on {
                    return;
                }
            }
            if !matches!(tls.read_tls(&mut tcp), Ok(1..)) || tls.process_new_packets().is_err() {
                return;
            }
            let mut asked = [0; 100];
            if let Ok(length @ 1..) = tls.reader().read(&mut asked) {
                tls.writer().write_all(&asked[..length]).unwrap();
            }
        }
    });
    let code = r"
import socket, ssl
context = ssl.create_default_context()
seen = b''
try:
    with socket.create_connection(('server.test', PORT), 20) as tcp:
        with context.wrap_socket(tcp, server_hostname='server.test', suppress_ragged_eofs=False) as s:
            s.sendall(b'hello')
            while len(seen) < 5 and (data := s.recv(100)): seen += data
            print('ended', seen)
except OSError as e: print(type(e).__name__, seen)
";
    run(&sandbox_with(trusting(authority)), code, &server).await.trim_end().to_owned()
}

#[tokio::test]
async fn tls_that_is_spoilt() {
    let authority = Authority::new();
    assert_eq!(spoilt(&authority, |_, _| true).await, "ended b'hello'");
    let cut_at = |at: usize| {
        move |sent: usize, bytes: &mut Vec<u8>| {
            let keep = at.saturating_sub(sent).min(bytes.len());
            let goes_on = keep == bytes.len();
            bytes.truncate(keep);
            goes_on
        }
    };
    for at in [0, 3, 80, 400] {
        let seen = spoilt(&authority, cut_at(at)).await;
        assert!(
            ["SSLEOFError b''", "ConnectionResetError b''"].contains(&seen.as_str()),
            "{at}: {seen}"
        );
    }
    // One bit in the first answer, in the middle of the handshake, in a record.
    for at in [1_usize, 200, 500] {
        let seen = spoilt(&authority, move |sent, bytes| {
            if let Some(byte) = at.checked_sub(sent).and_then(|at: usize| bytes.get_mut(at)) {
                *byte ^= 1;
            }
            true
        })
        .await;
        assert!(seen.starts_with("SSL") && seen.ends_with("Error b''"), "{at}: {seen}");
    }
}

#[tokio::test]
async fn redirects_pass_the_gate_too() {
    let authority = Authority::new();
    let inside = Server::tcp(|mut stream| http(&mut stream));
    let server = Server::tls(authority.server("server.test"), http);
    let rule: NetRule = format!("server.test:{}", server.port).parse().unwrap();
    let network = NetConfig::new()
        .allow_rule(rule.private())
        .allow("other.test:*")
        .unwrap()
        .allow("*:80")
        .unwrap()
        .resolver(Here::new())
        .public_roots(false)
        .root_certificates(authority.pem.as_bytes())
        .unwrap();
    let code = r"
import urllib.request, urllib.error
for to in (
    'http://127.0.0.1:INSIDE/', 'http://localhost:INSIDE/', 'http://2130706433:INSIDE/',
    'http://[::ffff:127.0.0.1]:INSIDE/', 'http://other.test:INSIDE/', 'http://169.254.169.254/',
    'http://metadata.test/', 'file:///etc/passwd', 'http://server.test@127.0.0.1:INSIDE/',
):
    try:
        print('passed', to, urllib.request.urlopen('https://server.test:PORT/to/' + to).read())
    except OSError as e: pass
print(urllib.request.urlopen('https://server.test:PORT/to//fine').url[-5:])
";
    let code = code.replace("INSIDE", &inside.port.to_string());
    assert_eq!(run(&sandbox_with(network), &code, &server).await, "/fine\n");
    assert_eq!(inside.accepted(), 0);
}

/// A proxy that does whatever it is asked to.
fn proxy(target: u16) -> Server {
    Server::tcp(move |mut client| {
        let mut head = Vec::new();
        let mut byte = [0];
        while !head.ends_with(b"\r\n\r\n") && matches!(client.read(&mut byte), Ok(1)) {
            head.push(byte[0]);
        }
        if !head.ends_with(b"\r\n\r\n") {
            return;
        }
        let mut server = TcpStream::connect((Ipv4Addr::LOCALHOST, target)).unwrap();
        if head.starts_with(b"CONNECT ") {
            client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").unwrap();
        } else {
            server.write_all(&head).unwrap();
        }
        let (mut from, mut to) = (client.try_clone().unwrap(), server.try_clone().unwrap());
        std::thread::spawn(move || std::io::copy(&mut from, &mut to));
        let _ = std::io::copy(&mut server, &mut client);
    })
}

#[tokio::test]
async fn proxies_pass_the_gate_too() {
    let authority = Authority::new();
    let server = Server::tls(authority.server("server.test"), http);
    let proxy = proxy(server.port);
    let code = r"
import os, urllib.request
def get(proxy, url):
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({'https': proxy, 'http': proxy}))
    try: return opener.open(url, timeout=20).read()[:14]
    except OSError as e: return getattr(e, 'reason', e)
print(get('http://127.0.0.1:PORT', 'https://server.test:443/'))
print(get('http://proxy.test:PORT', 'https://server.test:443/'))
os.environ['https_proxy'] = 'http://127.0.0.1:PORT'
try: urllib.request.urlopen('https://server.test/')
except OSError as e: print(e.reason)
";
    // Neither by name nor by address, though the target may be reached.
    let only_target = NetConfig::new()
        .allow("server.test")
        .unwrap()
        .resolver(Here { addresses: vec![IpAddr::from([192, 0, 2, 1])], ..Here::new() });
    let out = run(&sandbox_with(only_target), code, &proxy).await;
    let port = proxy.port;
    let refused = format!("[Errno 63] the host does not allow 127.0.0.1:{port}\n");
    let by_name = "[Errno 63] the host does not allow proxy.test\n";
    assert_eq!(out, format!("{refused}{by_name}{refused}"));
    assert_eq!(proxy.accepted(), 0);
    // A proxy that is allowed leads nowhere else than the rules do.
    let rule: NetRule = "proxy.test:*".parse().unwrap();
    let only_proxy = trusting_only(&authority).allow_rule(rule.private());
    let code = code.split("os.environ").next().unwrap();
    let out = run(&sandbox_with(only_proxy.clone()), code, &proxy).await;
    let beyond = "[Errno 63] the host does not allow server.test at port 443\n";
    assert_eq!(out, format!("{refused}{beyond}"));
    // TLS is then with the name that was allowed, and with no other.
    let both = only_proxy.allow("server.test").unwrap().allow("other.test").unwrap();
    let out = run(&sandbox_with(both.clone()), code, &proxy).await;
    assert_eq!(out, format!("{refused}b'GET / HTTP/1.1'\n"));
    let code = code.replace("server.test", "other.test");
    let out = run(&sandbox_with(both.clone()), &code, &proxy).await;
    assert!(out.contains("CERTIFICATE_VERIFY_FAILED"), "{out}");
    let code = r"
import socket, ssl
s = socket.create_connection(('proxy.test', PORT))
s.sendall(b'CONNECT server.test:443 HTTP/1.1\r\n\r\n')
print(s.recv(100))
try: ssl.create_default_context().wrap_socket(s, server_hostname='other.test')
except PermissionError as e: print(e.strerror)
";
    let out = run(&sandbox_with(both), code, &proxy).await;
    assert_eq!(out, "b'HTTP/1.1 200 OK\\r\\n\\r\\n'\nthe connection was not made to other.test\n");
}

#[tokio::test]
async fn proxies_are_asked_for_nothing_that_the_host_cannot_judge() {
    let inside = Server::tcp(|mut stream| http(&mut stream));
    let proxy = proxy(inside.port);
    let only_proxy: NetRule = "proxy.test:*".parse().unwrap();
    let network = NetConfig::new()
        .allow_rule(only_proxy.private())
        .allow("target.test:80")
        .unwrap()
        .resolver(Here::new());
    let code = r"
import socket, urllib.request
def ask(*parts):
    with socket.create_connection(('proxy.test', PORT), 20) as s:
        try:
            for part in parts: s.sendall(part)
        except PermissionError as e: return e.strerror
        return s.recv(12)
end = b' HTTP/1.1\r\n\r\n'
print(ask(b'CONNECT 127.1:80' + end))
print(ask(b'CONNECT ' + b'a' * 70_000 + b':80' + end))
print(ask(b'\r\n\r\nCONNECT 10.0.0.1:80' + end))
print(ask(b'\r\nCONN', b'ECT 10.0.0.1:80 H', b'TTP/1.1\r', b'\n\r\n'))
print(ask(b'GET /' + end + b'CONNECT 10.0.0.1:80' + end))
print(ask(b'GET http://10.0.0.1/' + end))
print(ask(b'GET http://target.test@10.0.0.1/' + end))
print(ask(b'GET http://0x0a.1/' + end))
print(ask(b'POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n'))
print(ask(b'GET http://target.test/' + end))
opener = urllib.request.build_opener(urllib.request.ProxyHandler({'http': 'http://proxy.test:PORT'}))
for url in ('http://target.test/', 'http://other.test/'):
    try: print(opener.open(url, timeout=20).read()[:23])
    except OSError as e: print(e.reason.strerror)
";
    let out = run(&sandbox_with(network), code, &proxy).await;
    let unclear = "what an HTTP proxy would be asked for cannot be read\n";
    let private = "the host does not allow 10.0.0.1 at port 80\n";
    assert_eq!(
        out,
        format!(
            "{unclear}a line of an HTTP request has more than 64 KiB\n{}{unclear}\
             servers could take this HTTP request for two\nb'HTTP/1.1 200'\n\
             b'GET http://target.test/'\nthe host does not allow other.test at port 80\n",
            private.repeat(5)
        )
    );
    assert_eq!(inside.accepted(), 2);
}

fn trusting_only(authority: &Authority) -> NetConfig {
    let network = NetConfig::new().resolver(Here::new()).public_roots(false);
    network.root_certificates(authority.pem.as_bytes()).unwrap()
}
