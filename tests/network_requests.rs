//! Connections that somebody decides on, one by one.

use crate::peers::{Server, echo, network, sandbox_with};
use eryx::{Attempt, Error, ExecutionOutput, NetConfig, NetLimits, NetRequest, Session, State};
use std::time::Duration;
use tokio::sync::mpsc;

const CONNECT: &str = r"
import socket
try:
    with socket.create_connection(('server.test', PORT), timeout=5) as s:
        s.sendall(b'hello'); print(s.recv(5))
except OSError as e: print(type(e).__name__, e)
";

async fn session(config: NetConfig) -> Session {
    sandbox_with(config).session().await.unwrap()
}

/// Runs it, with what `decide` does about each request, and tells what was tried.
async fn decided(
    session: &Session,
    code: &str,
    decide: impl Fn(usize, NetRequest),
) -> (Result<ExecutionOutput, Error>, Vec<String>) {
    let (sender, mut requests) = mpsc::channel(1);
    let mut session = session.lock().unwrap();
    let run = session.execute(code).with_network(sender).run();
    let decide = async {
        let mut tried = Vec::new();
        while let Some(request) = requests.recv().await {
            tried.push(match request.attempt() {
                Attempt::LookUp { name } => format!("look up {name}"),
                Attempt::Connect { address, names } => format!("{} as {}", address.ip(), names[0]),
                other => format!("{other:?}"),
            });
            decide(tried.len(), request);
        }
        tried
    };
    tokio::join!(run, decide)
}

#[tokio::test]
async fn each_attempt_is_decided() {
    let server = Server::tcp(|mut stream| echo(&mut stream));
    let code = CONNECT.replace("PORT", &server.port.to_string());
    let session = session(network()).await;
    let (allowed, tried) = decided(&session, &code, |_, request| request.allow()).await;
    assert_eq!(allowed.unwrap().stdout, "b'hello'\n");
    assert_eq!(tried, ["look up server.test", "127.0.0.1 as server.test"]);

    let (refused, _) = decided(&session, &code, |_, request| request.refuse()).await;
    assert_eq!(
        refused.unwrap().stdout,
        "PermissionError [Errno 63] the host has refused server.test\n"
    );
    let (refused, _) = decided(&session, &code, |count, request| {
        if count == 1 {
            request.allow();
        }
    })
    .await;
    let said = refused.unwrap().stdout.into_string();
    assert!(
        said.starts_with("PermissionError [Errno 63] the host has refused 127.0.0.1:"),
        "{said}"
    );
    assert_eq!(server.accepted(), 1);

    // A run without it asks nobody.
    assert_eq!(session.execute(&*code).await.unwrap().stdout, "b'hello'\n");
}

#[tokio::test]
async fn rules_come_first() {
    let server = Server::tcp(|mut stream| echo(&mut stream));
    let code = CONNECT.replace("PORT", &server.port.to_string());
    let session = session(NetConfig::new().allow("example.com").unwrap()).await;
    let (refused, tried) = decided(&session, &code, |_, request| request.allow()).await;
    let said = refused.unwrap().stdout.into_string();
    assert!(said.contains("does not allow server.test"), "{said}");
    assert!(tried.is_empty());
}

#[tokio::test]
async fn who_does_not_decide_refuses_or_times_out() {
    let server = Server::tcp(|mut stream| echo(&mut stream));
    let code = CONNECT.replace("PORT", &server.port.to_string());
    let short = NetLimits { connect: Duration::from_millis(300), ..NetLimits::default() };
    let session = session(network().limits(short)).await;
    // Nobody is there.
    let (sender, requests) = mpsc::channel(1);
    drop(requests);
    let run = session.lock().unwrap().execute(&*code).with_network(sender).run().await;
    let said = run.unwrap().stdout.into_string();
    assert!(said.contains("the host has refused server.test"), "{said}");
    // Somebody is, and says nothing.
    let (sender, requests) = mpsc::channel(8);
    let run = session.lock().unwrap().execute(&*code).with_network(sender).run().await;
    let said = run.unwrap().stdout.into_string();
    assert!(said.starts_with("gaierror"), "{said}");
    drop(requests);
    assert_eq!(server.accepted(), 0);
}

#[tokio::test]
async fn a_deadline_holds_while_somebody_decides() {
    let server = Server::tcp(|mut stream| echo(&mut stream));
    let code = CONNECT.replace("PORT", &server.port.to_string());
    let session = session(network()).await;
    let (sender, _requests) = mpsc::channel(8);
    let mut locked = session.lock().unwrap();
    let run = locked.execute(code).with_network(sender).with_timeout(Duration::from_millis(300));
    assert!(matches!(run.run().await, Err(Error::Timeout(_))));
    drop(locked);
    assert!(matches!(session.state(), State::Poisoned(_)));
    session.reset().await.unwrap();
    // Nobody is asked by what comes after.
    let code = CONNECT.replace("PORT", &server.port.to_string());
    assert_eq!(session.execute(code).await.unwrap().stdout, "b'hello'\n");
}
