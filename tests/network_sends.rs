//! More than one call to the host may hand over, sent in every way that there is.

use crate::network::run;
use crate::peers::{Authority, Server, Stream, network, trusting};
use eryx::{NetConfig, NetLimits, ResourceLimits, Sandbox};
use std::time::Duration;

/// More than what one call to the host may hand over.
const MUCH: usize = 17 << 20;

/// Takes much and says that it has.
fn take_much(stream: &mut dyn Stream) {
    let mut buffer = vec![0; 1 << 16];
    let mut left = MUCH;
    while left > 0 {
        match stream.read(&mut buffer) {
            Ok(length @ 1..) => left = left.saturating_sub(length),
            _ => return,
        }
    }
    let _ = stream.write_all(b"all of it").and_then(|()| stream.flush());
}

/// Room and time for it, on a busy machine, too.
fn roomy(config: NetConfig) -> Sandbox {
    let time = Duration::from_mins(5);
    let bytes = 100 << 20;
    let net = NetLimits { bytes_in: bytes, bytes_out: bytes, idle: time, ..NetLimits::default() };
    let limits = ResourceLimits::default().with_timeout(time);
    Sandbox::embedded().network(config.limits(net)).limits(limits).build().unwrap()
}

#[tokio::test]
async fn more_is_sent_than_one_call_takes() {
    let code = r"
import asyncio, socket
data = bytes(17 << 20)
def connect(): return socket.create_connection(('server.test', PORT), 300)
with connect() as s:
    sent = s.send(data)
    assert 0 < sent <= 1 << 20, sent
    s.sendall(memoryview(data)[sent:])
    print(s.recv(20))
with connect() as s:
    sent = 0
    while sent < len(data):
        more = s.sendmsg([data[sent:][:9], memoryview(data)[sent + 9:]])
        assert 0 < more <= 1 << 20, more
        sent += more
    print(s.recv(20))
async def stream():
    reader, writer = await asyncio.open_connection('server.test', PORT)
    writer.write(data)
    await writer.drain()
    print(await reader.read(20))
    writer.close()
asyncio.run(stream())
try: socket.gethostbyname('a' * len(data))
except socket.gaierror as e: print(e.errno)
";
    let out = run(&roomy(network()), code, &Server::tcp(|mut stream| take_much(&mut stream))).await;
    assert_eq!(out, format!("{}-2\n", "b'all of it'\n".repeat(3)));
}

#[tokio::test]
async fn more_is_sent_over_tls_than_one_call_takes() {
    let authority = Authority::new();
    let code = r"
import asyncio, socket, ssl
data = bytes(17 << 20)
context = ssl.create_default_context()
with context.wrap_socket(socket.create_connection(('server.test', PORT), 300), server_hostname='server.test') as s:
    sent = s.send(data)
    assert 0 < sent <= 1 << 20, sent
    s.sendall(memoryview(data)[sent:])
    print(s.recv(20))
async def stream():
    reader, writer = await asyncio.open_connection('server.test', PORT, ssl=True)
    writer.write(data)
    await writer.drain()
    print(await reader.read())
    writer.close()
asyncio.run(stream())
try: context.wrap_bio(ssl.MemoryBIO(), ssl.MemoryBIO(), server_hostname=('a' * 60 + '.') * 300_000 + 'a')
except ValueError as e: print(e)
";
    let server = Server::tls(authority.server("server.test"), take_much);
    let out = run(&roomy(trusting(&authority)), code, &server).await;
    let refused = "server_hostname is longer than any name\n";
    assert_eq!(out, format!("{}{refused}", "b'all of it'\n".repeat(2)));
}

#[tokio::test]
async fn tls_in_memory_takes_as_much_as_it_is_given() {
    let authority = Authority::new();
    let server = Server::tls(authority.server("server.test"), |stream| {
        stream.read_exact(&mut [0; 2]).unwrap();
        let _ = stream.write_all(&vec![b'x'; MUCH]).and_then(|()| stream.flush());
    });
    let code = r"
import socket, ssl
sock = socket.create_connection(('server.test', PORT), 300)
incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
tls = ssl.create_default_context().wrap_bio(incoming, outgoing, server_hostname='server.test')
while True:
    try: tls.do_handshake()
    except ssl.SSLWantReadError:
        sock.sendall(outgoing.read())
        incoming.write(sock.recv(1 << 16))
    else: break
tls.write(b'go')
sock.sendall(outgoing.read())
records = bytearray()
while data := sock.recv(1 << 20): records += data
incoming.write(records)
got = 0
while data := tls.read(1 << 20): got += len(data)
print(len(records) > 17 << 20, got == 17 << 20)
";
    let out = run(&roomy(trusting(&authority)), code, &server).await;
    assert_eq!(out, "True True\n");
}
