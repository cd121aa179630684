//! Servers on this machine that the tests talk to.

use eryx::{Answer, HostName, NetConfig, NetRule, Resolver, Sandbox};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::version::{TLS12, TLS13};
use rustls::{ServerConfig, ServerConnection, StreamOwned, SupportedProtocolVersion};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{IpAddr, Ipv4Addr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

/// What a server reads from and writes to.
pub(crate) trait Stream: Read + Write {}
impl<T: Read + Write> Stream for T {}

/// A server on a port of its own; it ends with the test.
pub(crate) struct Server {
    pub(crate) port: u16,
    accepted: Arc<AtomicUsize>,
}

impl Server {
    /// Has each connection served by a thread.
    pub(crate) fn tcp(serve: impl Fn(TcpStream) + Send + Sync + 'static) -> Self {
        Self::at(Ipv4Addr::LOCALHOST.into(), serve).unwrap()
    }

    /// Likewise at an address that the machine may not have.
    pub(crate) fn at(
        address: IpAddr,
        serve: impl Fn(TcpStream) + Send + Sync + 'static,
    ) -> io::Result<Self> {
        let listener = TcpListener::bind((address, 0))?;
        let port = listener.local_addr().unwrap().port();
        let accepted = Arc::new(AtomicUsize::new(0));
        let (serve, count) = (Arc::new(serve), Arc::clone(&accepted));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                count.fetch_add(1, Ordering::SeqCst);
                let serve = Arc::clone(&serve);
                std::thread::spawn(move || serve(stream.unwrap()));
            }
        });
        Ok(Self { port, accepted })
    }

    pub(crate) fn tls(
        config: ServerConfig,
        serve: impl Fn(&mut dyn Stream) + Send + Sync + 'static,
    ) -> Self {
        let config = Arc::new(config);
        Self::tcp(move |tcp| {
            let tls = ServerConnection::new(Arc::clone(&config)).unwrap();
            let mut stream = StreamOwned::new(tls, tcp);
            serve(&mut stream);
            stream.conn.send_close_notify();
            let _ = stream.flush();
        })
    }

    /// How many connections there have been.
    pub(crate) fn accepted(&self) -> usize {
        self.accepted.load(Ordering::SeqCst)
    }
}

/// A certificate authority of the test's own.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pub(crate) pem: String,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::new([]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![rcgen::KeyUsagePurpose::KeyCertSign];
        params.distinguished_name.push(rcgen::DnType::CommonName, "Test authority");
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        Self { issuer: Issuer::new(params, key), pem }
    }

    pub(crate) fn server(&self, name: &str) -> ServerConfig {
        self.server_with(name, &[&TLS13, &TLS12])
    }

    /// A server that talks only to who shows a certificate of this authority.
    pub(crate) fn server_asking(&self, name: &str) -> ServerConfig {
        let mut roots = rustls::RootCertStore::empty();
        let pem = self.pem.as_bytes();
        roots.add(CertificateDer::from_pem_slice(pem).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let verifier = rustls::server::WebPkiClientVerifier::builder_with_provider(
            Arc::new(roots),
            Arc::clone(&provider),
        );
        let (certificate, key) = self.sign(name);
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        builder(&[&TLS13, &TLS12])
            .with_client_cert_verifier(verifier.build().unwrap())
            .with_single_cert(vec![certificate.der().clone()], key)
            .unwrap()
    }

    /// A server's certificate and key.
    pub(crate) fn server_pem(&self, name: &str) -> (String, String) {
        let (certificate, key) = self.sign(name);
        (certificate.pem(), key.serialize_pem())
    }

    fn sign(&self, name: &str) -> (rcgen::Certificate, KeyPair) {
        let mut params = CertificateParams::new([name.to_owned()]).unwrap();
        // Native Python's OpenSSL wants it.
        params.use_authority_key_identifier_extension = true;
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
        let key = KeyPair::generate().unwrap();
        (params.signed_by(&key, &self.issuer).unwrap(), key)
    }

    pub(crate) fn server_with(
        &self,
        name: &str,
        versions: &[&'static SupportedProtocolVersion],
    ) -> ServerConfig {
        let (certificate, key) = self.sign(name);
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        builder(versions)
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)
            .unwrap()
    }
}

/// A server whose certificate nobody has signed.
pub(crate) fn self_signed(name: &str) -> ServerConfig {
    let made = rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    builder(&[&TLS13, &TLS12])
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap()
}

fn builder(
    versions: &[&'static SupportedProtocolVersion],
) -> rustls::ConfigBuilder<ServerConfig, rustls::WantsVerifier> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(provider);
    builder.with_protocol_versions(versions).unwrap()
}

/// All names lead here, but those that end in `.nowhere`.
pub(crate) struct Here {
    pub(crate) addresses: Vec<IpAddr>,
    pub(crate) asked: Arc<Mutex<Vec<String>>>,
}

impl Here {
    pub(crate) fn new() -> Self {
        Self { addresses: vec![Ipv4Addr::LOCALHOST.into()], asked: Arc::default() }
    }
}

impl Resolver for Here {
    fn resolve(&self, name: &HostName) -> Answer {
        self.asked.lock().unwrap().push(name.to_string());
        let found = if name.as_str().ends_with(".nowhere") {
            Err(io::ErrorKind::NotFound.into())
        } else {
            Ok(self.addresses.clone())
        };
        Box::pin(async { found })
    }
}

/// Where every `*.test` leads here and may be connected to.
pub(crate) fn network() -> NetConfig {
    let rule: NetRule = "*.test:*".parse().unwrap();
    NetConfig::new()
        .allow_rule(rule.private())
        .allow("*.nowhere:*")
        .unwrap()
        .allow("127.0.0.1:*")
        .unwrap()
        .resolver(Here::new())
}

pub(crate) fn trusting(authority: &Authority) -> NetConfig {
    network().public_roots(false).root_certificates(authority.pem.as_bytes()).unwrap()
}

pub(crate) fn sandbox_with(network: NetConfig) -> Sandbox {
    Sandbox::embedded().network(network).build().unwrap()
}

/// Sends back what it is sent.
pub(crate) fn echo(stream: &mut dyn Stream) {
    let mut buffer = [0; 4096];
    while let Ok(length @ 1..) = stream.read(&mut buffer) {
        stream.write_all(&buffer[..length]).unwrap();
        stream.flush().unwrap();
    }
}

/// Answers HTTP requests, one after the other: the body tells what was asked.
/// `/size/N` answers with so many bytes, `/to/URL` with a redirect, `/silent` not
/// at all.
pub(crate) fn http(stream: &mut dyn Stream) {
    let mut stream = BufReader::new(stream);
    while let Some(request) = read_request(&mut stream) {
        let path = request.split(' ').nth(1).unwrap_or_default().to_owned();
        if path == "/silent" {
            let _ = stream.read(&mut [0]);
            return;
        }
        let (status, body) = match path.strip_prefix("/to/") {
            Some(url) => (format!("302 Found\r\nLocation: {url}"), Vec::new()),
            None => match path.strip_prefix("/size/") {
                Some(size) => ("200 OK".into(), vec![b'x'; size.parse().unwrap()]),
                None => ("200 OK".into(), request.into_bytes()),
            },
        };
        let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n", body.len());
        let stream = stream.get_mut();
        if stream.write_all(&[head.as_bytes(), &body].concat()).is_err() {
            return;
        }
        stream.flush().unwrap();
    }
}

/// Head and body of a request, the body out of its chunks.
pub(crate) fn read_request(stream: &mut impl BufRead) -> Option<String> {
    let mut request = String::new();
    let mut length = 0;
    let mut chunked = false;
    loop {
        let line = read_line(stream)?;
        request.push_str(&line);
        let line = line.to_ascii_lowercase();
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        chunked |= line == "transfer-encoding: chunked\r\n";
        if line == "\r\n" {
            break;
        }
    }
    while chunked {
        let size = usize::from_str_radix(read_line(stream)?.trim_end(), 16).unwrap();
        request.push_str(&read_text(stream, size)?);
        assert_eq!(read_line(stream)?, "\r\n");
        chunked = size > 0;
    }
    request.push_str(&read_text(stream, length)?);
    Some(request)
}

fn read_line(stream: &mut impl BufRead) -> Option<String> {
    let mut line = String::new();
    (stream.read_line(&mut line).ok()? > 0).then_some(line)
}

fn read_text(stream: &mut impl BufRead, length: usize) -> Option<String> {
    let mut bytes = vec![0; length];
    stream.read_exact(&mut bytes).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}
