//! `--secret`, as a user would use it, with a server that speaks TLS.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::{Command, Output};
use std::sync::{Arc, mpsc};
use tempfile::TempDir;

/// A server for `localhost` that answers one request each connection and tells
/// what it was sent; its port and its certificate.
fn server() -> (u16, String, mpsc::Receiver<String>) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    let config = Arc::new(config);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (tell, told) = mpsc::channel();
    std::thread::spawn(move || {
        for tcp in listener.incoming() {
            let tls = ServerConnection::new(Arc::clone(&config)).unwrap();
            let mut stream = StreamOwned::new(tls, tcp.unwrap());
            let mut request = Vec::new();
            let mut buffer = [0; 4096];
            while !request.ends_with(b"end") {
                let Ok(length @ 1..) = stream.read(&mut buffer) else { break };
                request.extend_from_slice(&buffer[..length]);
            }
            let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok";
            let _ = stream.write_all(answer).and_then(|()| stream.flush());
            let _ = tell.send(String::from_utf8_lossy(&request).into_owned());
        }
    });
    (port, made.cert.pem(), told)
}

fn eryx(arguments: &[&str], roots: &str) -> Output {
    Command::new(env!("CARGO_BIN_EXE_eryx"))
        .arg("run")
        .args(arguments)
        .env("SSL_CERT_FILE", roots)
        .env("OTHER", "s3cr3t-value")
        .env_remove("KEY")
        .output()
        .unwrap()
}

#[test]
fn a_secret_reaches_its_server_and_nobody_else() {
    let folder = TempDir::new().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (port, certificate, told) = server();
    fs::write(path("root.pem"), certificate).unwrap();
    fs::write(path("value"), "s3cr3t-value\r\n").unwrap();
    let code = format!(
        "import os, urllib.request as u\nk = os.environ['KEY']; print(k)\n\
         print(u.urlopen(u.Request('https://localhost:{port}/?' + k, (k + 'end').encode(), {{'X-Key': k}})).read())"
    );
    let from_file = format!("KEY=file:{}@localhost", path("value"));
    for (options, sent) in [
        (&["--secret", "KEY=OTHER@localhost"][..], [true, false, false]),
        (&["--secret", &from_file, "--secrets-in", "url,body"], [true, true, true]),
        (&["--secret", "KEY=OTHER@other.test", "--secrets-in", "url,body"], [false, false, false]),
    ] {
        let host = format!("localhost:{port}");
        let arguments = [&["--allow-host", &host], options, &["-c", &code]].concat();
        let output = eryx(&arguments, &path("root.pem"));
        let stdout = String::from_utf8(output.stdout).unwrap();
        assert!(
            stdout.starts_with("eryx_secret_") && stdout.ends_with("b'ok'\n"),
            "{stdout} {:?}",
            output.stderr
        );
        let request = told.recv().unwrap();
        let is_in = ["X-Key: s3cr3t-value\r\n", "/?s3cr3t-value ", "\r\n\r\ns3cr3t-valueend"];
        assert_eq!(is_in.map(|text| request.contains(text)), sent, "{request}");
    }
}

#[test]
fn what_is_wrong_is_said_without_the_value() {
    for (options, expected) in [
        (&["--secret", "KEY@localhost"][..], "the environment variable KEY, which is not set"),
        (&["--secret", "KEY=file:/no/such@localhost"], "cannot read /no/such for the secret KEY"),
        (&["--secret", "KEY=OTHER"], "the servers that may have it are missing"),
        (&["--secret", "KEY=OTHER@127.0.0.1"], "host names only"),
        (&["--secret", "KEY=a-value@localhost"], "never the value itself"),
        (&["--secrets-in", "body"], "--secret"),
    ] {
        let output = eryx(&[options, &["-c", "1"]].concat(), "");
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains(expected) && !said.contains("s3cr3t"), "{said}");
    }
}

#[test]
fn help_tells_of_it() {
    let output = eryx(&["--help"], "");
    let help = String::from_utf8(output.stdout).unwrap();
    assert!(help.contains("--secret <NAME[=VARIABLE|=file:PATH]@HOST[,HOST]>"), "{help}");
    assert!(help.contains("--secrets-in <PLACE>"), "{help}");
}
