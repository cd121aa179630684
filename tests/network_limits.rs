//! What runs may use of the network: each run of a session its own part of it.

use crate::network::run;
#[cfg(target_os = "linux")]
use crate::peers::Stream;
use crate::peers::{Authority, Here, Server, echo, network, sandbox_with, self_signed, trusting};
#[cfg(target_os = "linux")]
use crate::support::grows_by;
use eryx::{NetConfig, NetLimits, Sandbox, Session};
use std::io::Read;
use std::time::Duration;

async fn session(config: NetConfig) -> Session {
    sandbox_with(config).session().await.unwrap()
}

#[tokio::test]
async fn each_run_of_a_session_has_the_limits_for_itself() {
    let server = Server::tcp(|mut stream| echo(&mut stream));
    let limits = NetLimits { total: 3, bytes_in: 1000, bytes_out: 1000, ..NetLimits::default() };
    let session = session(network().limits(limits)).await;
    let code = r"
import socket
def attempt(f, *a):
    try: return f(*a)
    except OSError as e: print(e.strerror)
for i in range(3):
    with socket.create_connection(('127.0.0.1', PORT)) as s: pass
attempt(socket.create_connection, ('127.0.0.1', PORT))
for name in 'abc': socket.gethostbyname(name + '.test')
attempt(socket.gethostbyname, 'd.test')
";
    let code = code.replace("PORT", &server.port.to_string());
    for _ in 0..3 {
        assert_eq!(
            session.execute(&*code).await.unwrap().stdout,
            "this run has made as many connections as it may\n\
             this run has looked up as many names as it may\n"
        );
    }
    let open = format!("s = socket.create_connection(('127.0.0.1', {}))", server.port);
    session.execute(open).await.unwrap();
    let code = "s.sendall(b'x' * 1000)\nn = 0\nwhile n < 1000: n += len(s.recv(1000))\n\
                attempt(s.send, b'x'); attempt(s.recv, 1); print(n)";
    let spent = "this run has moved as many bytes over the network as it may\n";
    for _ in 0..3 {
        assert_eq!(session.execute(code).await.unwrap().stdout, format!("{spent}{spent}1000\n"));
    }
}

#[tokio::test]
async fn what_is_open_counts_in_later_runs() {
    let server = Server::tcp(|mut stream| echo(&mut stream));
    let session = session(network().limits(NetLimits { open: 2, ..NetLimits::default() })).await;
    let code = r"
import socket
kept = globals().get('kept', [])
try: kept.append(socket.create_connection(('127.0.0.1', PORT)))
except OSError as e: print(e.strerror)
";
    let code = code.replace("PORT", &server.port.to_string());
    for expected in ["", "", "2 connections are open, as many as may be\n"] {
        assert_eq!(session.execute(&*code).await.unwrap().stdout, expected);
    }
    let code = format!("kept.pop().close()\n{code}print(len(kept))");
    assert_eq!(session.execute(code).await.unwrap().stdout, "2\n");
}

#[tokio::test]
async fn a_name_of_the_run_before_may_be_connected_to() {
    let server = Server::tcp(|mut stream| echo(&mut stream));
    let config = NetConfig::new()
        .allow_rule("*.test:*".parse::<eryx::NetRule>().unwrap().private())
        .resolver(Here::new());
    let session = session(config).await;
    let connect = format!(
        "try: socket.create_connection((a, {})).close()\nexcept OSError as e: print(type(e).__name__)",
        server.port
    );
    session.execute("import socket; a = socket.gethostbyname('x.test')").await.unwrap();
    assert_eq!(session.execute(&*connect).await.unwrap().stdout, "");
    session.execute("1").await.unwrap();
    assert_eq!(session.execute(&*connect).await.unwrap().stdout, "PermissionError\n");
}

#[tokio::test]
async fn a_connection_left_alone_between_runs_is_closed() {
    let (tell, told) = std::sync::mpsc::channel();
    let server = Server::tcp(move |mut stream| {
        let _ = tell.send(stream.read(&mut [0; 9]).is_ok_and(|length| length == 0));
    });
    let limits = NetLimits { idle: Duration::from_millis(100), ..NetLimits::default() };
    let session = session(network().limits(limits)).await;
    let code =
        format!("import socket\ns = socket.create_connection(('127.0.0.1', {}))", server.port);
    session.execute(code).await.unwrap();
    let closed = tokio::task::spawn_blocking(move || told.recv().unwrap()).await.unwrap();
    assert!(closed);
    let code = "try: s.send(b'x')\nexcept TimeoutError as e: print(e.errno == 73, e.strerror)";
    let out = session.execute(code).await.unwrap().stdout.into_string();
    assert_eq!(out, "True nothing has moved on the connection for too long\n");
}

#[tokio::test]
async fn many_lookups_at_once_wait_for_each_other() {
    let sandbox = sandbox_with(network());
    let code = r"
import asyncio
async def main():
    loop = asyncio.get_running_loop()
    found = await asyncio.gather(*(loop.getaddrinfo(f'x{i}.test', PORT) for i in range(40)))
    print(len(found), {f[0][4][0] for f in found})
asyncio.run(main())
";
    let server = Server::tcp(|_| ());
    assert_eq!(run(&sandbox, code, &server).await, "40 {'127.0.0.1'}\n");
}

const SESSIONS: &str = r"
import socket, ssl
def session(context, name='server.test'):
    with context.wrap_socket(socket.create_connection((name, PORT)), server_hostname=name) as s:
        s.sendall(b'x')
        return s.recv(1), s.session_reused
verified = ssl.create_default_context()
unverified = ssl._create_unverified_context()
def attempt(*a):
    try: return session(*a)
    except OSError as e: return type(e).__name__
";

#[tokio::test]
async fn sessions_go_on_only_with_what_was_verified() {
    let authority = Authority::new();
    let code = format!("{SESSIONS}print([session(verified)[1] for i in range(3)])");
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let server = Server::tls(authority.server_with("server.test", &[version]), echo);
        let out = run(&sandbox_with(trusting(&authority)), &code, &server).await;
        assert_eq!(out, "[False, True, True]\n");
    }
    // What was not verified is no reason to believe it later, nor the other way round.
    let granted = network().dangerously_allow_unverified("server.test:*".parse().unwrap());
    let server = Server::tls(self_signed("server.test"), echo);
    let code = format!(
        "{SESSIONS}print(session(unverified), session(unverified), attempt(verified), session(unverified))"
    );
    let out = run(&sandbox_with(granted), &code, &server).await;
    let fresh = "(b'x', False)";
    assert_eq!(out, format!("{fresh} {fresh} SSLCertVerificationError {fresh}\n"));
}

#[tokio::test]
async fn client_certificates_are_shown_to_whom_was_verified_each_time() {
    let authority = Authority::new();
    let (chain, key) = authority.server_pem("client");
    let showing = |rule: &str| -> Sandbox {
        let config = trusting(&authority)
            .dangerously_allow_unverified("*.test:*".parse().unwrap())
            .client_certificate(rule.parse().unwrap(), chain.as_bytes(), key.as_bytes());
        sandbox_with(config.unwrap())
    };
    let server = Server::tls(authority.server_asking("server.test"), echo);
    let code =
        format!("{SESSIONS}print(attempt(verified), attempt(verified), attempt(unverified))");
    let fresh = "(b'x', False)";
    let out = run(&showing("server.test"), &code, &server).await;
    assert!(out.starts_with(&format!("{fresh} {fresh} ")) && out.ends_with("Error\n"), "{out}");
    let out = run(&showing("other.test"), &code, &server).await;
    assert!(!out.contains(fresh), "{out}");
    // By address.
    let server = Server::tls(authority.server_asking("127.0.0.1"), echo);
    let code = format!("{SESSIONS}print(attempt(verified, '127.0.0.1'))");
    for (rule, shown) in
        [("127.0.0.1", true), ("127.0.0.0/8:*", true), ("127.0.0.2", false), ("10.0.0.0/8", false)]
    {
        let out = run(&showing(rule), &code, &server).await;
        assert_eq!(out.contains(fresh), shown, "{rule}: {out}");
    }
}

/// Neither plain nor over TLS does the host keep what a guest has not taken, or has.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_download_leaves_the_memory_of_the_host_as_it_is() {
    const SIZE: usize = 100_000_000;
    let send = |stream: &mut dyn Stream| {
        let piece = vec![b'x'; 1 << 16];
        let mut left = SIZE;
        while left > 0 {
            let next = &piece[..piece.len().min(left)];
            if stream.write_all(next).is_err() {
                return;
            }
            left -= next.len();
        }
        let _ = stream.flush();
    };
    let authority = Authority::new();
    let plain = Server::tcp(move |mut stream| send(&mut stream));
    let tls = Server::tls(authority.server("server.test"), send);
    let limits = NetLimits { bytes_in: 200 << 20, ..NetLimits::default() };
    let sandbox = sandbox_with(trusting(&authority).limits(limits));
    let code = r"
import socket, ssl
s = socket.create_connection(('server.test', PORT), 60)
WRAP
n = 0
while data := s.recv(1 << 16): n += len(data)
print(n)
";
    let wrap = "s = ssl.create_default_context().wrap_socket(s, server_hostname='server.test')";
    let downloads = async {
        for (server, wrap) in [(&plain, ""), (&tls, wrap)] {
            let out = run(&sandbox, &code.replace("WRAP", wrap), server).await;
            assert_eq!(out, format!("{SIZE}\n"));
        }
    };
    grows_by(90, Box::pin(downloads)).await;
}
