//! Ordinary Python networking, against servers on this machine.

use crate::peers::{Authority, Here, Server, echo, http, network, sandbox_with, trusting};
use eryx::{Error, NetConfig, NetLimits, Sandbox};
use std::io::{Read, Write};
use std::net::Ipv6Addr;
use std::time::Duration;

/// Runs a program, in which `PORT` stands for a server's port.
pub(crate) async fn run(sandbox: &Sandbox, code: &str, server: &Server) -> String {
    let code = code.replace("PORT", &server.port.to_string());
    match sandbox.execute(code).await {
        Ok(output) => output.stdout.into_string(),
        Err(Error::Execution(raised)) => panic!("{}", raised.traceback),
        Err(other) => panic!("{other:?}"),
    }
}

fn echo_server() -> Server {
    Server::tcp(|mut stream| echo(&mut stream))
}

fn https(authority: &Authority) -> Server {
    Server::tls(authority.server("server.test"), http)
}

#[tokio::test]
async fn a_socket_sends_and_receives() {
    let code = r"
import socket
with socket.create_connection(('server.test', PORT), timeout=5) as s:
    s.sendall(b'hello')
    print(s.recv(100, socket.MSG_PEEK), s.recv(2), s.recv(100))
    assert s.getpeername() == ('127.0.0.1', PORT), s.getpeername()
    assert s.getsockname()[0] == '127.0.0.1'
    s.shutdown(socket.SHUT_WR)
    print(s.recv(100))
with socket.socket() as s:
    s.connect(('127.0.0.1', PORT))
    f = s.makefile('rwb')
    f.write(b'one\ntwo\n'); f.flush()
    print(f.readline(), f.readline())
    b = bytearray(3)
    s.sendall(b'abc')
    print(s.recv_into(b), b)
class Mine(socket.socket): pass
with Mine() as s:
    print(s.connect_ex(('127.0.0.1', PORT)), s.connect_ex(('127.0.0.1', PORT)) != 0)
print(s.fileno(), s)
";
    let server = echo_server();
    let out = run(&sandbox_with(network()), code, &server).await;
    let expected = "b'hello' b'he' b'llo'\nb''\nb'one\\n' b'two\\n'\n3 bytearray(b'abc')\n0 True\n";
    assert!(out.starts_with(expected), "{out}");
}

#[tokio::test]
async fn the_machines_own_name_is_known() {
    let code = r"
import asyncio, socket
print(socket.gethostbyname(socket.gethostname()), socket.getfqdn())
print([a[4] for a in socket.getaddrinfo('localhost', 80, type=socket.SOCK_STREAM)])
async def main():
    print([a[4][0] for a in await asyncio.get_running_loop().getaddrinfo('localhost', 80)])
    await asyncio.open_connection('localhost', PORT)
try: asyncio.run(main())
except OSError as e: print(e)
";
    let server = echo_server();
    let out = run(&crate::support::sandbox(), code, &server).await;
    let addresses = "[('127.0.0.1', 80), ('::1', 80, 0, 0)]\n['127.0.0.1', '::1']";
    let start = format!("127.0.0.1 localhost\n{addresses}\n");
    assert!(out.starts_with(&start) && out.contains("does not allow 127.0.0.1"), "{out}");
    assert_eq!(server.accepted(), 0);
}

#[tokio::test]
async fn pairs_of_sockets() {
    let code = r"
import asyncio, select, socket, ssl, threading
a, b = socket.socketpair()
a.sendall(b'hello'); print(b.recv(2, socket.MSG_PEEK), b.recv(99), b.getpeername(), a.family == socket.AF_INET)
print(select.select([a], [a], [], 0) == ([], [a], []), end=' ')
b.send(b'x'); print(select.select([a], [], [], 5)[0] == [a], a.recv(1))
a.setblocking(False)
try: a.recv(1)
except BlockingIOError: print('empty', end=' ')
n = 0
try:
    while True: n += a.send(b'y' * 5000)
except BlockingIOError: print('full', n == 208 << 10, select.select([], [a], [], 0))
got = b''
while len(got) < n: got += b.recv(1 << 20)
print(len(got), select.select([], [a], [], 0)[1] == [a])
a.setblocking(True)
a.settimeout(0.01)
try: a.recv(1)
except TimeoutError as e: print(e)
a.shutdown(socket.SHUT_WR); print(b.recv(1), end=' ')
b.sendall(b'still'); print(a.recv(9))
b.close(); print(a.recv(1), end=' ')
try: a.send(b'z')
except BrokenPipeError as e: print(e.errno)
a.close()
for wrong in (lambda: socket.socketpair(type=socket.SOCK_DGRAM), lambda: socket.socketpair(99), lambda: ssl.create_default_context().wrap_socket(socket.socketpair()[0], server_hostname='x')):
    try: wrong()
    except OSError as e: print(type(e).__name__, e.strerror)

async def main():
    left, right = socket.socketpair()
    reader, writer = await asyncio.open_connection(sock=left)
    async def echo():
        r, w = await asyncio.open_connection(sock=right, limit=1 << 22)
        while line := await r.readline():
            w.write(line.upper()); await w.drain()
        w.close()
    async def ask():
        out = []
        for i in range(3):
            writer.write(b'line %d\n' % i); out.append(await reader.readline())
        writer.write(b'b' * 1_000_000 + b'\n'); writer.write_eof()
        out.append(len(await reader.read()))
        return out
    print((await asyncio.gather(echo(), ask()))[1])
    writer.close()
asyncio.run(main())
";
    // They need no network.
    let out = run(&crate::support::sandbox(), code, &echo_server()).await;
    assert_eq!(
        out,
        "b'he' b'hello' ('127.0.0.1', 0) True\nTrue True b'x'\nempty full True ([], [], [])\n\
         212992 True\ntimed out\nb'' b'still'\nb'' 64\n\
         PermissionError pairs of sockets are streams in the sandbox\n\
         OSError Address family not supported by protocol\n\
         PermissionError the host makes TLS on its own connections only: here, use MemoryBIO\n\
         [b'LINE 0\\n', b'LINE 1\\n', b'LINE 2\\n', 1000001]\n"
    );
}

#[tokio::test]
async fn messages_and_closed_descriptors() {
    let code = r"
import os, select, selectors, socket
a, b = socket.socketpair()
a.sendmsg([b'one ', b'two ', bytearray(b'three')])
print(b.recvmsg(4), b.recvmsg(4, 100, socket.MSG_PEEK), end=' ')
first, second = bytearray(3), bytearray(20)
print(b.recvmsg_into([first, memoryview(second)[:4]]), first, second[:4], b.recv(9))
for wrong in (lambda: b.recvmsg(-1), lambda: b.recvmsg(1, -1), lambda: a.sendmsg([b'x'], [(1, 1, b'')])):
    try: wrong()
    except (OSError, ValueError) as e: print(type(e).__name__, end=' ')
a.shutdown(socket.SHUT_WR)
print(b.recvmsg(9), b.recvmsg_into([]))
p = select.poll()
p.register(a, select.POLLIN); p.register(b); p.register(999)
fds = a.fileno(), b.fileno()
a.close()
print(sorted(p.poll()) == sorted([(fds[0], select.POLLNVAL), (999, select.POLLNVAL), (fds[1], select.POLLIN | select.POLLOUT)]))
p.unregister(999); p.unregister(fds[0]); p.unregister(b)
file = os.open('/data/x', os.O_CREAT | os.O_RDWR)
p.register(file, select.POLLIN); print(p.poll() == [(file, select.POLLIN)], end=' ')
os.close(file); print(p.poll() == [(file, select.POLLNVAL)])
try: select.select([fds[0]], [], [], 1)
except OSError as e: print(e.errno == 8)
";
    let out = run(&crate::support::sandbox(), code, &echo_server()).await;
    assert_eq!(
        out,
        "(b'one ', [], 0, None) (b'two ', [], 0, None) (7, [], 0, None) bytearray(b'two') \
         bytearray(b' thr') b'ee'\nValueError ValueError OSError (b'', [], 0, None) (0, [], 0, None)\n\
         True\nTrue True\nTrue\n"
    );
}

#[tokio::test]
async fn timeouts_and_non_blocking_sockets() {
    let code = r"
import socket, select, selectors, time, errno
s = socket.create_connection(('127.0.0.1', PORT))
s.settimeout(0.05)
try: s.recv(1)
except TimeoutError as e: print('timeout', e)
s.setblocking(False)
try: s.recv(1)
except BlockingIOError as e: print(e.errno == errno.EAGAIN)
print(select.select([s], [s], [], 0) == ([], [s], []))
print(select.select([s], [], [], 0.05))
s.send(b'x')
print(select.select([s], [], [], 5)[0] == [s], s.recv(5))
sel = selectors.DefaultSelector()
sel.register(s, selectors.EVENT_READ, 'data')
print(type(sel).__name__, sel.select(0.01))
s.send(b'y')
print([(k.data, m) for k, m in sel.select(5)], s.recv(5))
t = socket.socket(); t.setblocking(False)
try: t.connect(('127.0.0.1', PORT))
except BlockingIOError as e: print(e.errno == errno.EINPROGRESS)
print(select.select([], [t], [], 5)[1] == [t], t.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR))
s.close(); t.close()
";
    let out = run(&sandbox_with(network()), code, &echo_server()).await;
    assert_eq!(
        out,
        "timeout timed out\nTrue\nTrue\n([], [], [])\nTrue b'x'\nPollSelector []\n\
         [('data', 1)] b'y'\nTrue\nTrue 0\n"
    );
}

#[tokio::test]
async fn errors_have_the_right_class() {
    let code = r"
import socket
def why(f, *a):
    try: f(*a)
    except OSError as e: print(type(e).__name__, e.errno)
why(socket.create_connection, ('127.0.0.1', 1))
why(socket.create_connection, ('x.nowhere', 1))
why(socket.getaddrinfo, '127.1', 80)
why(socket.create_connection, ('example.com', 443))
s = socket.socket()
why(s.recv, 1); why(s.send, b'x'); why(s.getpeername)
s.close()
why(s.recv, 1)
s = socket.create_connection(('127.0.0.1', PORT))
s.sendall(b'x')
why(s.recv, 1)
print(socket.getaddrinfo('127.0.0.1', 'https', type=socket.SOCK_STREAM))
print(socket.gethostbyname('server.test'), socket.getservbyname('http'))
";
    let server = Server::tcp(|stream| {
        // To close with bytes unread resets the connection.
        stream.peek(&mut [0]).unwrap();
    });
    let out = run(&sandbox_with(network()), code, &server).await;
    assert_eq!(
        out,
        "ConnectionRefusedError 111\ngaierror -2\ngaierror -2\nPermissionError 63\n\
         OSError 53\nBrokenPipeError 64\nOSError 53\nOSError 8\nConnectionResetError 15\n\
         [(<AddressFamily.AF_INET: 2>, <SocketKind.SOCK_STREAM: 1>, 6, '', ('127.0.0.1', 443))]\n\
         127.0.0.1 80\n"
            .replace("111", "14")
    );
}

#[tokio::test]
async fn http_client_and_urllib() {
    let authority = Authority::new();
    let code = r"
import http.client, urllib.request
c = http.client.HTTPSConnection('server.test', PORT, timeout=5)
for i in range(3):
    c.request('POST', f'/{i}', body=b'body')
    r = c.getresponse()
    print(r.status, r.read().split(b'\r\n')[0])
with urllib.request.urlopen('https://server.test:PORT/to//again') as r:
    print(r.status, r.url, r.read()[:12])
print(len(urllib.request.urlopen('https://server.test:PORT/size/3000000').read()))
try:
    urllib.request.urlopen('https://server.test:PORT/to/https://example.com/')
except OSError as e:
    print(e)
";
    let server = https(&authority);
    let out = run(&sandbox_with(trusting(&authority)), code, &server).await;
    let port = server.port;
    assert_eq!(
        out,
        format!(
            "200 b'POST /0 HTTP/1.1'\n200 b'POST /1 HTTP/1.1'\n200 b'POST /2 HTTP/1.1'\n\
             200 https://server.test:{port}/again b'GET /again H'\n3000000\n\
             <urlopen error [Errno 63] the host does not allow example.com>\n"
        )
    );
}

#[tokio::test]
async fn asyncio_streams() {
    let authority = Authority::new();
    let server = Server::tls(authority.server("server.test"), echo);
    let code = r"
import asyncio, ssl
async def one(i):
    reader, writer = await asyncio.open_connection('server.test', PORT, ssl=True)
    writer.write(f'hello {i}\n'.encode() * 1000)
    await writer.drain()
    for _ in range(1000): line = await reader.readline()
    assert writer.get_extra_info('ssl_object').version() == 'TLSv1.3'
    writer.close()
    await writer.wait_closed()
    return line
print(await asyncio.gather(*map(one, range(6))))
try: await asyncio.wait_for(asyncio.open_connection('example.com', 443), 5)
except PermissionError as e: print(e)
";
    let out = run(&sandbox_with(trusting(&authority)), code, &server).await;
    assert!(out.contains("b'hello 5\\n']"), "{out}");
    assert!(out.contains("the host does not allow example.com"), "{out}");
}

#[tokio::test]
async fn asyncio_upgrades_and_sockets() {
    let authority = Authority::new();
    let config = std::sync::Arc::new(authority.server("server.test"));
    let server = Server::tcp(move |mut tcp| {
        let mut line = [0; 9];
        tcp.read_exact(&mut line).unwrap();
        tcp.write_all(b"go ahead\n").unwrap();
        let tls = rustls::ServerConnection::new(std::sync::Arc::clone(&config)).unwrap();
        echo(&mut rustls::StreamOwned::new(tls, tcp));
    });
    let code = r"
import asyncio, ssl
reader, writer = await asyncio.open_connection('server.test', PORT)
writer.write(b'starttls\n')
print(await reader.readline())
await writer.start_tls(ssl.create_default_context(), server_hostname='server.test')
writer.write(b'inside\n')
print(await reader.readline())
writer.close()
";
    let out = run(&sandbox_with(trusting(&authority)), code, &server).await;
    assert_eq!(out, "b'go ahead\\n'\nb'inside\\n'\n");
    let code = r"
import asyncio, socket
loop = asyncio.get_running_loop()
s = socket.socket(); s.setblocking(False)
await loop.sock_connect(s, ('server.test', PORT))
await loop.sock_sendall(s, b'abc')
async def tick():
    for i in range(3): await asyncio.sleep(0.001)
    return 'ticked'
print(await asyncio.gather(loop.sock_recv(s, 10), tick()))
s.close()
";
    let out = run(&sandbox_with(network()), code, &echo_server()).await;
    assert_eq!(out, "[b'abc', 'ticked']\n");
}

#[tokio::test]
#[expect(clippy::print_stdout, reason = "who reads the test's output should know")]
async fn a_connection_over_ipv6() {
    let localhost = Ipv6Addr::LOCALHOST.into();
    let Ok(server) = Server::at(localhost, |mut stream| echo(&mut stream)) else {
        println!("skipped: this machine has no ::1");
        return;
    };
    let code = r"
import asyncio, socket
with socket.socket(socket.AF_INET6) as s:
    s.connect(('::1', PORT))
    s.sendall(b'hello')
    print(s.recv(5), s.getpeername() == ('::1', PORT, 0, 0), s.getsockname()[0])
with socket.create_connection(('six.test', PORT)) as s:
    s.sendall(b'again')
    print(s.recv(5), s.family.name)
async def stream():
    reader, writer = await asyncio.open_connection('::1', PORT)
    writer.write(b'line\n')
    print(await reader.readline())
    writer.close()
asyncio.run(stream())
";
    let here = Here { addresses: vec![localhost], ..Here::new() };
    let config = NetConfig::new().allow("[::1]:*").unwrap().allow("six.test:*").unwrap();
    let out = run(&sandbox_with(config.resolver(here)), code, &server).await;
    assert_eq!(out, "b'hello' True ::1\nb'again' AF_INET6\nb'line\\n'\n");
    assert_eq!(server.accepted(), 3);
}

#[tokio::test]
async fn limits_end_in_errors() {
    let limits = NetLimits { open: 2, total: 4, bytes_in: 1000, ..NetLimits::default() };
    let code = r"
import socket
def connect(): return socket.create_connection(('127.0.0.1', PORT))
a, b = connect(), connect()
try: connect()
except OSError as e: print(e.strerror)
a.close(); b.close()
a, b = connect(), connect()
a.close()
try: connect()
except OSError as e: print(e.strerror)
b.sendall(b'x' * 2000)
n = 0
try:
    while data := b.recv(600): n += len(data)
except OSError as e: print(n, e.strerror)
";
    let out = run(&sandbox_with(network().limits(limits)), code, &echo_server()).await;
    assert_eq!(
        out,
        "2 connections are open, as many as may be\n\
         this run has made as many connections as it may\n\
         1000 this run has moved as many bytes over the network as it may\n"
    );
}

#[tokio::test]
async fn an_embedder_can_refuse_what_the_rules_allow() {
    let server = echo_server();
    let gated = network().gate(|attempt| !format!("{attempt:?}").contains("Connect"));
    let code = "import socket\nprint(socket.gethostbyname('server.test'))\n\
                try: socket.create_connection(('server.test', PORT))\n\
                except PermissionError as e: print(e.strerror)";
    let out = run(&sandbox_with(gated), code, &server).await;
    assert_eq!(out, format!("127.0.0.1\nthe host does not allow 127.0.0.1:{}\n", server.port));
    assert_eq!(server.accepted(), 0);
}

#[tokio::test]
async fn a_run_without_io_in_its_runtime_is_no_panic_without_a_network() {
    let sandbox = sandbox_with(NetConfig::new());
    let code = "import socket\ntry: socket.create_connection(('1.1.1.1', 443))\n\
                except PermissionError: print('refused')";
    assert_eq!(sandbox.execute(code).await.unwrap().stdout, "refused\n");
}

#[tokio::test]
async fn servers_that_misbehave() {
    let code = r"
import socket, ssl
context = ssl.create_default_context()
try:
    s = context.wrap_socket(socket.create_connection(('server.test', PORT), 2), server_hostname='server.test')
    while s.recv(1 << 20): pass
    print('ended')
except OSError as e: print(type(e).__name__)
";
    let authority = Authority::new();
    let sandbox = sandbox_with(trusting(&authority));
    // It speaks something else.
    let server = Server::tcp(|mut stream| {
        let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
        let _ = stream.read(&mut [0; 1024]);
    });
    assert_eq!(run(&sandbox, code, &server).await, "SSLError\n");
    // It hangs up in the handshake.
    let server = Server::tcp(|mut stream| {
        let _ = stream.read(&mut [0; 4096]);
        let _ = stream.write_all(&[0x16, 3, 3, 0xff]);
    });
    let out = run(&sandbox, code, &server).await;
    assert!(["SSLEOFError\n", "ConnectionResetError\n"].contains(&out.as_str()), "{out}");
    // It never answers.
    let server = Server::tcp(|mut stream| while let Ok(1..) = stream.read(&mut [0; 4096]) {});
    assert_eq!(run(&sandbox, code, &server).await, "TimeoutError\n");
    // It never stops.
    let server = Server::tls(authority.server("server.test"), |stream| {
        while stream.write_all(&[0; 1 << 12]).is_ok() {}
    });
    assert_eq!(run(&sandbox, code, &server).await, "OSError\n");
    // It goes away without ending TLS, which `recv` takes for the end.
    let config = std::sync::Arc::new(authority.server("server.test"));
    let server = Server::tcp(move |tcp| {
        let tls = rustls::ServerConnection::new(std::sync::Arc::clone(&config)).unwrap();
        let _ = rustls::StreamOwned::new(tls, tcp).write_all(b"x");
    });
    assert_eq!(run(&sandbox, code, &server).await, "ended\n");
}

#[tokio::test]
async fn a_connection_where_nothing_moves_is_given_up() {
    let limits = NetLimits { idle: Duration::from_millis(50), ..NetLimits::default() };
    let code = r"
import socket
s = socket.create_connection(('127.0.0.1', PORT))
try: s.recv(1)
except TimeoutError as e: print(e.strerror)
";
    let out = run(&sandbox_with(network().limits(limits)), code, &echo_server()).await;
    assert_eq!(out, "nothing has moved on the connection for too long\n");
}
