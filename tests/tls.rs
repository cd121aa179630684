//! TLS as programs use it, against servers on this machine.

use crate::network::run;
use crate::peers::{Authority, Server, echo, network, sandbox_with, self_signed, trusting};

#[tokio::test]
async fn tls_of_both_versions() {
    let authority = Authority::new();
    let code = r"
import socket, ssl
context = ssl.create_default_context()
context.set_alpn_protocols(['x', 'echo'])
with context.wrap_socket(socket.create_connection(('server.test', PORT)), server_hostname='server.test') as s:
    s.sendall(b'hello' * 50000)
    n = 0
    while n < 250000: n += len(s.recv(1 << 20))
    cert = s.getpeercert()
    print(n, s.version(), s.cipher(), s.selected_alpn_protocol(), cert['subject'], cert['subjectAltName'])
    print(len(s.getpeercert(True)) > 100, s.pending())
    s.sendall(b'x'); print(s.recv(1))
    raw = s.unwrap()
    print(type(raw).__name__)
";
    for (version, expected) in
        [(&rustls::version::TLS12, "TLSv1.2"), (&rustls::version::TLS13, "TLSv1.3")]
    {
        let mut config = authority.server_with("server.test", &[version]);
        config.alpn_protocols = vec![b"echo".to_vec()];
        let server = Server::tls(config, echo);
        let out = run(&sandbox_with(trusting(&authority)), code, &server).await;
        assert!(out.starts_with(&format!("250000 {expected} ('")), "{out}");
        assert!(
            out.contains("256) echo ((('commonName', 'server.test'),),) (('DNS', 'server.test'),)"),
            "{out}"
        );
        assert!(out.ends_with("True 0\nb'x'\nSSLSocket\n"), "{out}");
    }
}

#[tokio::test]
async fn certificates_are_verified() {
    let authority = Authority::new();
    let server = Server::tls(authority.server("other.test"), echo);
    let code = r"
import socket, ssl
context = ssl.create_default_context()
try:
    context.wrap_socket(socket.create_connection(('server.test', PORT)), server_hostname='server.test')
except ssl.SSLCertVerificationError as e:
    print(e.reason, e.verify_code, e.verify_message)
";
    let out = run(&sandbox_with(trusting(&authority)), code, &server).await;
    let expected = "CERTIFICATE_VERIFY_FAILED 62 Hostname mismatch, certificate is not valid for 'server.test'.\n";
    assert_eq!(out, expected);
    let server = Server::tls(self_signed("server.test"), echo);
    let out = run(&sandbox_with(network()), code, &server).await;
    assert!(out.starts_with("CERTIFICATE_VERIFY_FAILED "), "{out}");
}

#[tokio::test]
async fn tls_in_memory() {
    let authority = Authority::new();
    let server = Server::tls(authority.server("server.test"), echo);
    let code = r"
import socket, ssl
sock = socket.create_connection(('server.test', PORT))
incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
tls = ssl.create_default_context().wrap_bio(incoming, outgoing, server_hostname='server.test')
def do(f, *a):
    while True:
        try:
            result = f(*a)
        except ssl.SSLWantReadError:
            result = None
        if outgoing.pending: sock.sendall(outgoing.read())
        if result is not None: return result
        data = sock.recv(100)
        incoming.write(data) if data else incoming.write_eof()
do(lambda: tls.do_handshake() or True)
print(do(tls.write, b'hello'), do(tls.read, 10), tls.version())
";
    let out = run(&sandbox_with(trusting(&authority)), code, &server).await;
    assert_eq!(out, "5 b'hello' TLSv1.3\n");
}

#[tokio::test]
async fn asyncio_has_tls_sessions_as_often_as_wanted() {
    let authority = Authority::new();
    let code = r"
import asyncio
async def one(name='server.test', give_up=False):
    reader, writer = await asyncio.open_connection('127.0.0.1', PORT, ssl=True, server_hostname=name)
    writer.write(b'hello\n')
    line = await reader.readline()
    writer.transport.abort() if give_up else writer.close()
    try: await writer.wait_closed()
    except OSError: pass
    return line
async def main():
    for i in range(6): await asyncio.gather(*(one(give_up=i % 2) for i in range(5)))
    try: await one('example.com')
    except PermissionError as e: print(e.strerror)
    return await one()
print(asyncio.run(main()))
";
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let server = Server::tls(authority.server_with("server.test", &[version]), echo);
        let out = run(&sandbox_with(trusting(&authority)), code, &server).await;
        assert_eq!(out, "the host does not allow example.com\nb'hello\\n'\n");
    }
}

#[tokio::test]
async fn the_host_shows_client_certificates() {
    let authority = Authority::new();
    let server = Server::tls(authority.server_asking("server.test"), echo);
    let (chain, key) = authority.server_pem("client");
    let code = r"
import socket, ssl
context = ssl.create_default_context()
with context.wrap_socket(socket.create_connection(('server.test', PORT)), server_hostname='server.test') as s:
    s.sendall(b'x')
    print(s.recv(1))
try: context.load_cert_chain('/data/mine.pem')
except PermissionError as e: print(e.strerror)
";
    let shown = trusting(&authority)
        .client_certificate("server.test".parse().unwrap(), chain.as_bytes(), key.as_bytes())
        .unwrap();
    assert_eq!(
        run(&sandbox_with(shown), code, &server).await,
        "b'x'\nclient certificates are the host's: they are set up with the network\n"
    );
    let code = code.replace("\nwith", "\ntry:\n  with").replace("\n    ", "\n      ");
    let code = code
        .replace("\ntry: context", "\nexcept OSError as e: print(type(e).__name__)\ntry: context");
    let out = run(&sandbox_with(trusting(&authority)), &code, &server).await;
    assert!(!out.contains("b'x'") && out.contains("Error\n"), "{out}");
}
