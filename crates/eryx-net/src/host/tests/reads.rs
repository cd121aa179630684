//! What one read hands over is bounded, whatever is asked for.

use super::*;
use crate::ctx::MOST_BYTES;
use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use std::io::Write;

const ALL: usize = 8 << 20;

/// A server that sends all of it, over TLS if it has a certificate; its port.
fn sending(tls: Option<ServerConfig>) -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let tls = tls.map(Arc::new);
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        match tls {
            None => stream.write_all(&vec![b'x'; ALL]).unwrap(),
            Some(config) => {
                let mut stream = StreamOwned::new(ServerConnection::new(config).unwrap(), stream);
                stream.write_all(&vec![b'x'; ALL]).unwrap();
                stream.flush().unwrap();
            }
        }
    });
    port
}

/// A server for `a.test`, and the certificate that is to be trusted for it.
fn certified() -> (ServerConfig, String) {
    let made = rcgen::generate_simple_self_signed(["a.test".to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    (config, made.cert.pem())
}

/// Does it until it has an answer, waiting for the connection.
async fn patiently<T>(
    embedder: &mut Embedder,
    connection: u32,
    act: impl Fn(&mut Guest<'_, Embedder>) -> Result<T, Failure>,
) -> T {
    loop {
        match act(&mut Guest(embedder)) {
            Err(failure) if failure.code == Code::WantRead => {
                if Guest(embedder).readable(connection).unwrap().is_some() {
                    embedder.finish().await;
                }
            }
            result => return result.unwrap(),
        }
    }
}

#[tokio::test]
async fn a_read_of_tcp_is_bounded() {
    let port = sending(None);
    let mut embedder = Embedder::new(local());
    let connection = embedder.connected(port).await.unwrap();
    let mut all = 0;
    while all < ALL {
        for keep in [true, false] {
            let receive =
                |guest: &mut Guest<'_, Embedder>| Tcp::receive(guest, connection, u32::MAX, keep);
            let length = patiently(&mut embedder, connection, receive).await.len();
            assert!((1..=MOST_BYTES).contains(&length), "{length} bytes at once");
            all += if keep { 0 } else { length };
        }
    }
    assert_eq!(all, ALL);
}

#[tokio::test]
async fn a_read_of_tls_is_bounded() {
    let (config, pem) = certified();
    let port = sending(Some(config));
    let trusting = local().public_roots(false).root_certificates(pem.as_bytes()).unwrap();
    let mut embedder = Embedder::new(trusting);
    let connection = embedder.connected(port).await.unwrap();
    let named = Options { server_name: Some("a.test".into()), ..options() };
    let session = Guest(&mut embedder).open_on(connection, named).unwrap();
    patiently(&mut embedder, connection, |guest| guest.handshake(session)).await;
    let mut all = 0;
    while all < ALL {
        let receive = |guest: &mut Guest<'_, Embedder>| Tls::receive(guest, session, u32::MAX);
        let length = patiently(&mut embedder, connection, receive).await.len();
        assert!((1..=MOST_BYTES).contains(&length), "{length} bytes at once");
        all += length;
    }
    assert_eq!(all, ALL);
}
