//! The cases of THREATS.md that concern the network and secrets, by their
//! numbers.

use crate::peers::{
    Authority, Here, Server, echo, http, network, read_request, sandbox_with, self_signed, trusting,
};
use crate::support::{in_both_ways, sandbox, timed_out};
use eryx::{
    Answer, Error, HostName, NetConfig, NetConfigError, NetRule, Resolver, ResourceLimits, Sandbox,
    Secret, TraceOptions, chrome_trace,
};
use std::io::{BufReader, Read, Write};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Runs a program; what it raised is printed as class and text.
async fn attempts(sandbox: &Sandbox, lines: &[String]) -> String {
    let mut code = String::from("import socket, ssl\n");
    for line in lines {
        code.push_str("try: print('passed', ");
        code.push_str(line);
        code.push_str(")\nexcept OSError as e: print(type(e).__name__, e)\n");
    }
    sandbox.execute(code).await.unwrap().stdout.into_string()
}

fn all_refused(out: &str, count: usize) {
    assert_eq!(out.lines().count(), count, "{out}");
    for line in out.lines() {
        // `errno.EPERM` of WASI.
        assert!(line.starts_with("PermissionError [Errno 63] "), "{out}");
    }
}

#[tokio::test]
async fn case_28_nothing_can_be_reached_by_default() {
    let server = Server::tcp(|mut stream| echo(&mut stream));
    let lines = [
        format!("socket.create_connection(('127.0.0.1', {}))", server.port),
        "socket.create_connection(('example.com', 443))".into(),
        "socket.getaddrinfo('example.com', 443)".into(),
        format!("socket.create_connection(('localhost', {}))", server.port),
    ];
    all_refused(&attempts(&sandbox(), &lines).await, lines.len());
    let here = Here::new();
    let asked = Arc::clone(&here.asked);
    let nothing = sandbox_with(NetConfig::new().resolver(here));
    all_refused(&attempts(&nothing, &lines).await, lines.len());
    assert_eq!(*asked.lock().unwrap(), Vec::<String>::new());
    assert_eq!(server.accepted(), 0);
}

#[tokio::test]
async fn case_28_a_million_attempts_come_to_nothing() {
    let here = Here::new();
    let asked = Arc::clone(&here.asked);
    let sandbox = sandbox_with(NetConfig::new().allow("a.test").unwrap().resolver(here));
    let code = "
import errno, socket
refused = 0
for i in range(3000):
    try: socket.socket().connect(('10.0.0.1', 443))
    except PermissionError as e: refused += e.errno == errno.EPERM
    try: socket.getaddrinfo('example.com', 443)
    except PermissionError as e: refused += e.errno == errno.EPERM
print(refused)
try: socket.getaddrinfo('a.test', 443)
except OSError as e: print(e.errno == errno.EDQUOT, e.strerror)
";
    let session = sandbox.session().await.unwrap();
    let spent = "6000\nTrue this run has looked up as many names as it may\n";
    for _ in 0..2 {
        assert_eq!(session.execute(code).await.unwrap().stdout, spent);
    }
    assert_eq!(*asked.lock().unwrap(), Vec::<String>::new());
    assert_eq!(session.execute("print(1 + 1)").await.unwrap().stdout, "2\n");
}

#[tokio::test]
async fn case_29_all_hosts_are_not_private_ones() {
    let server = Server::tcp(|mut stream| echo(&mut stream));
    let all =
        ["*:*", "0.0.0.0/0:*", "0.0.0.0/1:*", "128.0.0.0/1:*", "[::/0]:*", "169.254.0.0/16:*"];
    let all = all.map(|rule| rule.parse().unwrap());
    let all = all.into_iter().fold(NetConfig::new(), NetConfig::allow_rule);
    let addresses = [
        "127.0.0.1",
        "0.0.0.0",
        "::1",
        "169.254.169.254",
        "10.0.0.1",
        "192.168.0.1",
        "100.100.100.200",
        "fd00:ec2::254",
        "::ffff:127.0.0.1",
        "::ffff:7f00:1",
        "64:ff9b::7f00:1",
        "2002:7f00:1::",
        "",
    ];
    let lines: Vec<_> = addresses
        .iter()
        .map(|address| {
            let family = if address.contains(':') { ", socket.AF_INET6" } else { "" };
            format!(
                "socket.socket({}).connect(({address:?}, {}))",
                family.trim_start_matches(", "),
                server.port
            )
        })
        .collect();
    all_refused(&attempts(&sandbox_with(all.clone()), &lines).await, lines.len());
    assert_eq!(server.accepted(), 0);
    // As C reads addresses: those are no names, and nobody is asked for them.
    let here = Here::new();
    let asked = Arc::clone(&here.asked);
    let spellings = ["0x7f.1", "2130706433", "127.1", "0177.0.0.1", "0x7f000001", "127.0.0.1."];
    let lines =
        spellings.map(|text| format!("socket.create_connection(({text:?}, {}))", server.port));
    let out = attempts(&sandbox_with(all.resolver(here)), &lines).await;
    assert_eq!(out.matches("gaierror [Errno -2]").count(), spellings.len(), "{out}");
    assert_eq!(*asked.lock().unwrap(), Vec::<String>::new());
    assert_eq!(server.accepted(), 0);
}

#[tokio::test]
async fn case_30_a_name_that_leads_to_a_private_address() {
    let server = Server::tcp(|mut stream| echo(&mut stream));
    let rebinding = NetConfig::new().allow("*.test:*").unwrap().resolver(Here::new());
    let lines = [
        format!("socket.create_connection(('server.test', {}))", server.port),
        format!("socket.create_connection(('127.0.0.1', {}))", server.port),
    ];
    all_refused(&attempts(&sandbox_with(rebinding), &lines).await, lines.len());
    // Of several addresses only those that are allowed can be seen.
    let here = Here {
        addresses: vec![Ipv4Addr::new(10, 0, 0, 1).into(), IpAddr::from([1, 1, 1, 1])],
        ..Here::new()
    };
    let mixed = sandbox_with(NetConfig::new().allow("*.test").unwrap().resolver(here));
    let out = attempts(&mixed, &["socket.gethostbyname_ex('server.test')".into()]).await;
    assert_eq!(out, "passed ('server.test', [], ['1.1.1.1'])\n");
    assert_eq!(server.accepted(), 0);
}

/// Leads to an address that is granted, and from then on to one that is not.
#[derive(Default)]
struct Rebinding(Arc<AtomicUsize>);

impl Resolver for Rebinding {
    fn resolve(&self, _name: &HostName) -> Answer {
        let first = self.0.fetch_add(1, SeqCst) == 0;
        let address = if first { [127, 0, 0, 1] } else { [10, 0, 0, 1] };
        Box::pin(async move { Ok(vec![IpAddr::from(address)]) })
    }
}

#[tokio::test]
async fn case_30_a_name_is_looked_up_once_and_connected_to_as_it_was() {
    let server = Server::tcp(|mut stream| echo(&mut stream));
    let resolver = Rebinding::default();
    let asked = Arc::clone(&resolver.0);
    let rules = NetConfig::new().allow("server.test:*").unwrap().allow("127.0.0.1:*").unwrap();
    let sandbox = sandbox_with(rules.resolver(resolver));
    let connect = format!("socket.create_connection(('server.test', {}))", server.port);
    let session = sandbox.session().await.unwrap();
    // The server has counted the connection before it answers.
    let first = "s.sendall(b'x')\nprint(s.recv(1))\ns.close()";
    let first = session.execute(format!("import socket\ns = {connect}\n{first}")).await;
    assert_eq!(first.unwrap().stdout, "b'x'\n");
    assert_eq!((asked.load(SeqCst), server.accepted()), (1, 1));
    let code = format!("try: {connect}\nexcept PermissionError as e: print(e.strerror)");
    let refused = "server.test leads only to addresses that the host does not allow\n";
    assert_eq!(session.execute(code).await.unwrap().stdout, refused);
    assert_eq!((asked.load(SeqCst), server.accepted()), (2, 1));
}

#[tokio::test]
async fn case_31_names_that_only_look_allowed() {
    let here = Here::new();
    let asked = Arc::clone(&here.asked);
    let network = NetConfig::new().allow("*.example.com").unwrap().resolver(here);
    let lines = ["evilexample.com", "example.com.evil.net", "example.com"]
        .map(|name| format!("socket.create_connection(({name:?}, 443))"));
    all_refused(&attempts(&sandbox_with(network), &lines).await, lines.len());
    assert_eq!(*asked.lock().unwrap(), Vec::<String>::new());
}

const UNVERIFIED: &str = "(c := ssl.create_default_context(), setattr(c, 'check_hostname', False), \
    setattr(c, 'verify_mode', ssl.CERT_NONE), c.wrap_socket(socket.create_connection(\
    ('server.test', PORT)), server_hostname='server.test'))[-1].version()";

#[tokio::test]
async fn case_32_verification_cannot_be_switched_off() {
    let server = Server::tls(self_signed("server.test"), echo);
    let line = UNVERIFIED.replace("PORT", &server.port.to_string());
    let out = attempts(&sandbox_with(network()), std::slice::from_ref(&line)).await;
    assert!(out.starts_with("SSLCertVerificationError "), "{out}");
    let granted = |rule: &str| {
        let rule: NetRule = rule.parse().unwrap();
        sandbox_with(network().dangerously_allow_unverified(rule))
    };
    // At another port, or of another name.
    for elsewhere in ["server.test", "other.test:*", "*.server.test:*", "127.0.0.2:*"] {
        let out = attempts(&granted(elsewhere), std::slice::from_ref(&line)).await;
        assert!(out.starts_with("SSLCertVerificationError "), "{elsewhere}: {out}");
    }
    let here = format!("server.test:{}", server.port);
    for rule in [here.as_str(), "*.test:*", "127.0.0.1:*"] {
        let lines = std::slice::from_ref(&line);
        assert_eq!(attempts(&granted(rule), lines).await, "passed TLSv1.3\n", "{rule}");
    }
}

#[tokio::test]
async fn case_33_a_read_is_bounded() {
    let server = Server::tcp(|mut stream| {
        let _ = stream.write_all(&vec![0; 8 << 20]);
        let _ = stream.read(&mut [0]);
    });
    let line = format!(
        "max(len(s.recv(2**31-1)) for s in [socket.create_connection(('127.0.0.1', {}))] for _ in range(8)) <= 1 << 20",
        server.port
    );
    assert_eq!(attempts(&sandbox_with(network()), &[line]).await, "passed True\n");
}

#[tokio::test]
async fn case_34_a_silent_server() {
    let (tell, told) = std::sync::mpsc::channel();
    let server = Server::tcp(move |mut stream| {
        let _ = stream.read(&mut [0]);
        let _ = tell.send(());
    });
    let code =
        format!("import socket\nsocket.create_connection(('127.0.0.1', {})).recv(1)", server.port);
    let second = Duration::from_secs(1);
    let limits = ResourceLimits::default().with_timeout(second);
    let sandbox = Sandbox::embedded().network(network()).limits(limits).build().unwrap();
    in_both_ways(&sandbox, second, &code, |ended, _| drop(timed_out(ended, second))).await;
    // The server sees each time that the connection is gone.
    let closed = server.accepted();
    assert!(closed >= 2, "{closed}");
    let all = tokio::task::spawn_blocking(move || (0..closed).try_for_each(|_| told.recv()));
    all.await.unwrap().unwrap();
}

#[tokio::test]
async fn case_35_no_servers_and_no_datagrams() {
    let lines = [
        "socket.socket().bind(('127.0.0.1', 0))",
        "socket.socket().listen()",
        "socket.socket().accept()",
        "socket.socket(type=socket.SOCK_DGRAM)",
        "socket.socket(type=socket.SOCK_RAW)",
        "socket.create_server(('127.0.0.1', 0))",
        "socket.socketpair(type=socket.SOCK_DGRAM)",
    ]
    .map(String::from);
    all_refused(&attempts(&sandbox_with(network()), &lines).await, lines.len());
}

/// A sandbox with a secret for `api.test`, and what the servers were sent.
fn with_secret(authority: &Authority, name: &'static str) -> (Sandbox, Server, Arc<Mutex<String>>) {
    let seen = Arc::new(Mutex::new(String::new()));
    let sent = Arc::clone(&seen);
    let server = Server::tls(authority.server(name), move |stream| {
        let mut stream = BufReader::new(stream);
        while let Some(request) = read_request(&mut stream) {
            sent.lock().unwrap().push_str(&request);
            stream.get_mut().write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").unwrap();
            stream.get_mut().flush().unwrap();
        }
    });
    let secret = Secret::new("KEY", "s3cr3t-value", ["api.test".parse().unwrap()]).unwrap();
    let secret = secret.in_path_and_query().in_body();
    let sandbox = Sandbox::embedded().network(trusting(authority)).secret(secret).build().unwrap();
    (sandbox, server, seen)
}

fn request(host: &str, server: &Server) -> String {
    format!(
        "import os, http.client\nc = http.client.HTTPSConnection('{host}', {})\n\
         for i in range(2):\n c.request('GET', '/', headers={{'Authorization': 'Bearer ' + os.environ['KEY']}})\n \
         print(c.getresponse().read())\n",
        server.port
    )
}

#[tokio::test]
async fn case_55_the_value_never_enters_the_guest() {
    let authority = Authority::new();
    let (sandbox, server, seen) = with_secret(&authority, "api.test");
    let code = "import os; print(os.environ['KEY'], dict(os.environ))";
    let out = sandbox.execute(code).await.unwrap().stdout.into_string();
    assert!(out.contains("eryx_secret_") && !out.contains("s3cr3t"), "{out}");
    let out = sandbox.execute(request("api.test", &server)).await.unwrap();
    assert_eq!(out.stdout, "b'ok'\nb'ok'\n");
    assert_eq!(seen.lock().unwrap().matches("Authorization: Bearer s3cr3t-value").count(), 2);
    seen.lock().unwrap().clear();
    let code = request("api.test", &server)
        .replace("'GET', '/'", "'POST', '/?' + os.environ['KEY'], 'k=' + os.environ['KEY']");
    sandbox.execute(code).await.unwrap();
    let sent = seen.lock().unwrap().clone();
    assert!(
        sent.contains("POST /?s3cr3t-value HTTP/1.1") && sent.contains("\r\n\r\nk=s3cr3t-value"),
        "{sent}"
    );
    assert!(!sent.contains("eryx_secret_"), "{sent}");
}

#[tokio::test]
async fn case_56_the_value_goes_nowhere_else() {
    let authority = Authority::new();
    let (sandbox, server, seen) = with_secret(&authority, "other.test");
    sandbox.execute(request("other.test", &server)).await.unwrap();
    let sent = std::mem::take(&mut *seen.lock().unwrap());
    assert!(sent.contains("eryx_secret_") && !sent.contains("s3cr3t"), "{sent}");
    // A server that is not whom it should be gets nothing at all.
    assert!(sandbox.execute(request("api.test", &server)).await.is_err());
    assert_eq!(*seen.lock().unwrap(), "");
    // Nor does anybody without TLS.
    let plain = Server::tcp(|mut stream| http(&mut stream));
    let code =
        request("api.test", &plain).replace("HTTPS", "HTTP").replace("read()", "read()[-60:]");
    let out = sandbox.execute(code).await.unwrap().stdout.into_string();
    assert!(out.contains("eryx_secret_") && !out.contains("s3cr3t"), "{out}");
}

#[tokio::test]
async fn case_57_secrets_with_line_ends() {
    for value in ["s3cr3t\r\nvalue", "s3cr3t\nvalue", "s3cr3t\rvalue", "s3cr3té", "s3c", ""] {
        let made = Secret::new("KEY", value, []);
        let Err(error @ NetConfigError::Secret { .. }) = made else {
            panic!("{value:?}: {made:?}")
        };
        let said = format!("{error} {error:?}");
        assert!(said.contains("KEY") && !said.contains("s3c"), "{said}");
    }
}

const VALUE: &str = "s3cr3t-value";

fn holds_value(bytes: &[u8]) -> bool {
    bytes.windows(VALUE.len()).any(|window| window == VALUE.as_bytes())
}

#[tokio::test]
async fn case_58_the_value_is_not_shown() {
    let secret = Secret::new("KEY", VALUE, []).unwrap();
    let network = NetConfig::new().secret(secret.clone());
    let shown = format!("{secret:?} {network:?} {:?}", network.clone().build().unwrap());
    assert!(shown.contains("KEY") && !shown.contains("s3cr3t"), "{shown}");
    let twice = Sandbox::embedded().secret(secret.clone()).secret(secret).build();
    let error = twice.unwrap_err();
    assert!(matches!(error, Error::Config(_)) && !format!("{error:?}").contains("s3cr3t"));
}

/// A server for `api.test` that answers with all that it was sent.
fn repeating(authority: &Authority) -> (Server, Arc<Mutex<String>>) {
    let seen = Arc::new(Mutex::new(String::new()));
    let sent = Arc::clone(&seen);
    let server = Server::tls(authority.server("api.test"), move |stream| {
        let mut stream = BufReader::new(stream);
        while let Some(request) = read_request(&mut stream) {
            sent.lock().unwrap().push_str(&request);
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", request.len());
            stream.get_mut().write_all((head + &request).as_bytes()).unwrap();
            stream.get_mut().flush().unwrap();
        }
    });
    (server, seen)
}

/// Such a server, and a sandbox that has a secret for it wherever secrets can be.
fn with_secret_for_repeating() -> (Server, Arc<Mutex<String>>, Sandbox) {
    let authority = Authority::new();
    let (server, seen) = repeating(&authority);
    let secret = Secret::new("KEY", VALUE, ["api.test".parse().unwrap()]).unwrap();
    let secret = secret.in_path_and_query().in_body();
    let sandbox = Sandbox::embedded().network(trusting(&authority)).secret(secret).build().unwrap();
    (server, seen, sandbox)
}

#[tokio::test]
async fn case_58_the_value_is_in_nothing_that_a_used_session_leaves() {
    let (logs, _guard) = crate::support::captured_events();
    let (server, seen, sandbox) = with_secret_for_repeating();
    let session = sandbox.session().await.unwrap();
    let code = format!(
        "import os, http.client\nc = http.client.HTTPSConnection('api.test', {})\n\
         c.request('POST', '/?' + os.environ['KEY'], 'k=' + os.environ['KEY'] * 3, \
         {{'Authorization': 'Bearer ' + os.environ['KEY']}})\n\
         answer = c.getresponse().read()\nprint(answer)\nopen('/data/f', 'wb').write(answer)\n\
         print(c.sock)\nraise ValueError(answer)",
        server.port
    );
    let error = session.execute(code).await.unwrap_err();
    assert!(seen.lock().unwrap().contains(VALUE));
    let Error::Execution(raised) = &error else { panic!("{error:?}") };
    assert!(raised.output.stdout.contains("Bearer eryx_secret_"), "{}", raised.output.stdout);
    let image = session.snapshot_image_with_files().await.unwrap();
    session.execute("del c").await.unwrap();
    let state = session.snapshot_state().await.unwrap();
    assert!(state.size() > 100);
    let store = session.lock().unwrap().store().map(|store| format!("{:?}", store.data()));
    let answer = session.execute("answer").await.unwrap();
    let shown = format!(
        "{error} {error:?} {} {sandbox:?} {session:?} {store:?} {:?} {answer:?}",
        raised.traceback,
        session.state(),
    );
    let logs = logs.lock().unwrap().join("\n");
    assert!(logs.contains("api.test"), "{logs}");
    for (what, bytes) in [
        ("image", image.to_bytes()),
        ("state", state.to_bytes()),
        ("text", shown.into_bytes()),
        ("logs", logs.into_bytes()),
    ] {
        assert!(!holds_value(&bytes), "the {what} holds the value");
    }
}

#[tokio::test]
async fn case_56_the_value_is_not_sent_where_the_server_is_not_verified() {
    let seen = Arc::new(Mutex::new(String::new()));
    let sent = Arc::clone(&seen);
    let server = Server::tls(self_signed("api.test"), move |stream| {
        let mut stream = BufReader::new(stream);
        while let Some(request) = read_request(&mut stream) {
            sent.lock().unwrap().push_str(&request);
            stream.get_mut().write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").unwrap();
            stream.get_mut().flush().unwrap();
        }
    });
    let secret = Secret::new("KEY", VALUE, ["api.test".parse().unwrap()]).unwrap();
    let unverified = network().dangerously_allow_unverified("api.test:*".parse().unwrap());
    let sandbox = Sandbox::embedded().network(unverified).secret(secret).build().unwrap();
    let verified = format!("HTTPSConnection('api.test', {})", server.port);
    let not = verified.replace(')', ", context=ssl._create_unverified_context())");
    let code = format!("import ssl\n{}", request("api.test", &server).replace(&verified, &not));
    assert_eq!(sandbox.execute(code).await.unwrap().stdout, "b'ok'\nb'ok'\n");
    let sent = seen.lock().unwrap().clone();
    assert!(sent.contains("Bearer eryx_secret_") && !sent.contains("s3cr3t"), "{sent}");
}

#[tokio::test]
async fn case_58_the_value_is_in_no_trace() {
    let (logs, _guard) = crate::support::captured_events();
    let (server, seen, sandbox) = with_secret_for_repeating();
    let code = format!(
        "import os, http.client\nc = http.client.HTTPSConnection('api.test', {})\n\
         c.request('POST', '/?' + os.environ['KEY'], 'k=' + os.environ['KEY'], \
         {{'Authorization': 'Bearer ' + os.environ['KEY']}})\n\
         answer = c.getresponse().read()\ntry: raise ValueError(answer)\nexcept ValueError: pass",
        server.port
    );
    let output = sandbox.prepare(code).with_trace(TraceOptions::default()).run().await.unwrap();
    assert!(seen.lock().unwrap().contains(VALUE));
    let raised = output.trace.iter().any(|event| &*event.detail == "ValueError");
    assert!(raised, "{:?}", output.trace);
    for (what, text) in [
        ("trace", format!("{:?}", output.trace)),
        ("chart", chrome_trace(&output.trace).to_string()),
        ("log", logs.lock().unwrap().join("\n")),
    ] {
        assert!(!text.is_empty() && !holds_value(text.as_bytes()), "the {what} holds the value");
    }
}
