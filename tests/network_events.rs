//! Whoever listens to `tracing` learns of each decision.

use crate::peers::{Authority, Here, Server, echo, network, sandbox_with};
use crate::support::captured_events;
use eryx::{Attempt, NetConfig, NetLimits, NetRule, Sandbox};

/// The decisions that a program has brought about, without the port of the server.
async fn decisions(sandbox: &Sandbox, code: &str, server: &Server) -> Vec<String> {
    let (events, _guard) = captured_events();
    let port = server.port.to_string();
    sandbox.execute(code.replace("PORT", &port)).await.unwrap();
    let events = events.lock().unwrap();
    let ours = events.iter().filter(|event| event.contains("attempt="));
    let plain = |event: &String| event.replace(&port, "PORT").replace("message=network ", "");
    ours.map(plain).map(|event| event.trim_end().to_owned()).collect()
}

const PROGRAM: &str = r"
import socket, ssl
def attempt(f, *a, **k):
    try: return f(*a, **k)
    except OSError: pass
s = attempt(socket.create_connection, ('server.test', PORT))
attempt(ssl.create_default_context().wrap_socket, s, server_hostname='other.test')
s = attempt(socket.create_connection, ('127.0.0.1', PORT))
attempt(ssl.create_default_context().wrap_socket, s, server_hostname='server.test')
attempt(socket.create_connection, ('evil.example', 443))
attempt(socket.create_connection, ('10.0.0.1', 443))
attempt(socket.create_connection, ('inside.example', 443))
attempt(socket.create_connection, ('gated.test', 443))
attempt(socket.create_connection, ('127.0.0.1', 9))
";

#[tokio::test]
async fn every_decision_is_told_with_its_reason() {
    let authority = Authority::new();
    let server = Server::tls(authority.server("server.test"), echo);
    let private = |rule: &str| rule.parse::<NetRule>().unwrap().private();
    let config = NetConfig::new()
        .allow_rule(private("server.test:*"))
        .allow_rule(private("gated.test"))
        .allow_rule("other.test:*".parse().unwrap())
        .allow_rule("inside.example".parse().unwrap())
        .resolver(Here::new())
        .public_roots(false)
        .root_certificates(authority.pem.as_bytes())
        .unwrap()
        .gate(|attempt| match attempt {
            Attempt::LookUp { name } => name.as_str() != "gated.test",
            Attempt::Connect { address, .. } => address.port() != 9,
            _ => true,
        });
    let told = decisions(&sandbox_with(config), PROGRAM, &server).await;
    let expected = [
        ("look up", true, r#"host="server.test""#, "the rules allow it"),
        ("resolve", true, r#"host="server.test" address=127.0.0.1"#, "the rules allow it"),
        (
            "connect",
            true,
            r#"host="server.test" address=127.0.0.1 port=PORT"#,
            "the rules allow it",
        ),
        (
            "TLS",
            false,
            r#"host="other.test" address=127.0.0.1 port=PORT"#,
            "the connection was not made to it",
        ),
        (
            "connect",
            true,
            r#"host="server.test" address=127.0.0.1 port=PORT"#,
            "the rules allow it",
        ),
        (
            "TLS",
            true,
            r#"host="server.test" address=127.0.0.1 port=PORT"#,
            "the certificate will be verified",
        ),
        ("look up", false, r#"host="evil.example""#, "no rule allows it"),
        ("connect", false, "address=10.0.0.1 port=443", "no rule allows it"),
        ("look up", true, r#"host="inside.example""#, "the rules allow it"),
        (
            "resolve",
            false,
            r#"host="inside.example" address=127.0.0.1"#,
            "the name may not lead to this address",
        ),
        ("look up", false, r#"host="gated.test""#, "the gate refuses it"),
        ("connect", false, r#"host="server.test" address=127.0.0.1 port=9"#, "the gate refuses it"),
    ];
    assert_eq!(told, expected.map(written));
}

fn written((attempt, allowed, about, reason): (&str, bool, &str, &str)) -> String {
    format!("attempt={attempt:?} allowed={allowed} {about} reason={reason:?}")
}

#[tokio::test]
async fn a_million_refusals_do_not_fill_the_log() {
    let server = Server::tcp(|mut stream| echo(&mut stream));
    let code = r"
import socket
for i in range(5000):
    try: socket.socket().connect(('10.0.0.1', 443))
    except OSError: pass
";
    let told = decisions(&sandbox_with(network()), code, &server).await;
    assert_eq!(told.len(), 64, "{told:?}");
}

#[tokio::test]
async fn what_proxies_are_asked_for_is_told_and_limits_and_panics_are() {
    let server = Server::tcp(|mut stream| echo(&mut stream));
    let limits = NetLimits { total: 7, ..NetLimits::default() };
    let config = network().limits(limits).gate(|attempt| {
        assert!(!matches!(attempt, Attempt::Tunnel { host: "panic.test", .. }), "the gate's own");
        !matches!(attempt, Attempt::Tunnel { host: "gated.test", .. })
    });
    let code = r"
import socket
s = socket.create_connection(('127.0.0.1', PORT))
def ask(line):
    try: s.sendall(line + b' HTTP/1.1\r\n\r\n')
    except PermissionError as e: print(e.strerror)
ask(b'CONNECT server.test:443')
ask(b'GET http://server.test:443/')
ask(b'CONNECT evil.example:443')
ask(b'GET http://evil.example/')
ask(b'CONNECT 127.1:443')
ask(b'CONNECT gated.test:443')
ask(b'CONNECT panic.test:443')
try: socket.create_connection(('127.0.0.1', PORT))
except OSError as e: print(e.strerror)
";
    let told = decisions(&sandbox_with(config), code, &server).await;
    let (allowed, no_rule) = ("the rules allow it", "no rule allows it");
    let unclear = "what an HTTP proxy would be asked for cannot be read";
    let expected = [
        ("connect", true, "address=127.0.0.1 port=PORT", allowed),
        ("tunnel", true, r#"host="server.test" address=127.0.0.1 port=443"#, allowed),
        ("tunnel", false, r#"host="evil.example" address=127.0.0.1 port=443"#, no_rule),
        ("tunnel", false, r#"host="evil.example" address=127.0.0.1 port=80"#, no_rule),
        ("tunnel", false, "address=127.0.0.1 port=PORT", unclear),
        ("tunnel", false, r#"host="gated.test" address=127.0.0.1 port=443"#, "the gate refuses it"),
        ("tunnel", false, r#"host="panic.test" address=127.0.0.1 port=443"#, "the gate panicked"),
        ("connect", false, "address=127.0.0.1 port=PORT", "the run has used up a limit"),
    ];
    assert_eq!(told, expected.map(written));
}

#[tokio::test]
async fn where_a_name_leads_is_told_too() {
    let server = Server::tcp(|mut stream| echo(&mut stream));
    let rule: NetRule = "a.test".parse().unwrap();
    let config = NetConfig::new().allow_rule(rule).resolver(Here::new());
    let code = "import socket\ntry: socket.gethostbyname('a.test')\nexcept PermissionError: pass";
    let told = decisions(&sandbox_with(config), code, &server).await;
    assert_eq!(
        told,
        [
            r#"attempt="look up" allowed=true host="a.test" reason="the rules allow it""#,
            r#"attempt="resolve" allowed=false host="a.test" address=127.0.0.1 reason="the name may not lead to this address""#,
        ]
    );
}
