use crate::bindings::eryx::net::tls::{Options, Version};
use crate::error::NetConfigError;
use crate::policy::{Host, NetRule, Policy};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{ResolvesClientCert, Resumption, WebPkiServerVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::version::{TLS12, TLS13};
use rustls::{
    ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
    SupportedProtocolVersion,
};
use std::fmt;
use std::sync::{Arc, OnceLock};

/// Whom to trust, as it is being set up.
#[derive(Debug, Clone)]
pub(crate) struct TrustConfig {
    pub(crate) public_roots: bool,
    roots: Vec<CertificateDer<'static>>,
    pub(crate) identities: Vec<Identity>,
    pub(crate) unverified: Policy,
}

/// A client certificate and the servers that may see it.
#[derive(Clone)]
pub(crate) struct Identity {
    hosts: NetRule,
    key: Arc<CertifiedKey>,
}

impl Default for TrustConfig {
    fn default() -> Self {
        let unverified = Policy::default();
        Self { public_roots: true, roots: Vec::new(), identities: Vec::new(), unverified }
    }
}

impl TrustConfig {
    pub(crate) fn add_roots(&mut self, pem: &[u8]) -> Result<(), NetConfigError> {
        let roots = certificates(pem, "a root certificate")?;
        // Tried here, so that a bad one is found where it was given.
        let mut store = RootCertStore::empty();
        for root in &roots {
            store.add(root.clone()).map_err(|error| unusable("a root certificate", &error))?;
        }
        self.roots.extend(roots);
        Ok(())
    }

    pub(crate) fn into_lazy(self) -> Trust {
        Trust { config: self, made: OnceLock::new() }
    }
}

impl Identity {
    pub(crate) fn new(hosts: NetRule, chain: &[u8], key: &[u8]) -> Result<Self, NetConfigError> {
        let chain = certificates(chain, "a client certificate")?;
        let key = PrivateKeyDer::from_pem_slice(key)
            .map_err(|error| unusable("a client certificate's key", &error))?;
        let key = CertifiedKey::from_der(chain, key, &ring::default_provider())
            .map_err(|error| unusable("a client certificate", &error))?;
        Ok(Self { hosts, key: Arc::new(key) })
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity").field("hosts", &self.hosts).finish_non_exhaustive()
    }
}

fn certificates(
    pem: &[u8],
    what: &'static str,
) -> Result<Vec<CertificateDer<'static>>, NetConfigError> {
    let found: Vec<_> = CertificateDer::pem_slice_iter(pem)
        .collect::<Result<_, _>>()
        .map_err(|error| unusable(what, &error))?;
    if found.is_empty() {
        return Err(unusable(what, &"there is no PEM certificate in it"));
    }
    Ok(found)
}

fn unusable(what: &'static str, reason: &dyn fmt::Display) -> NetConfigError {
    NetConfigError::Certificate { what, reason: reason.to_string() }
}

/// Whom to trust. The roots are read at the first use, once.
#[derive(Debug)]
pub(crate) struct Trust {
    config: TrustConfig,
    made: OnceLock<Result<Made, String>>,
}

#[derive(Debug)]
struct Made {
    provider: Arc<CryptoProvider>,
    verifier: Arc<WebPkiServerVerifier>,
    /// The same for all: who goes on with a session must have had the same.
    nothing_to_show: Arc<NoIdentity>,
}

/// No certificate for any server.
#[derive(Debug)]
struct NoIdentity;

impl ResolvesClientCert for NoIdentity {
    fn resolve(&self, _hints: &[&[u8]], _schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        None
    }

    fn has_certs(&self) -> bool {
        false
    }
}

impl Trust {
    /// Whose certificates need not be verified.
    pub(crate) fn unverified(&self) -> &Policy {
        &self.config.unverified
    }

    /// What a session with `host` starts from. `verify` is the host's decision.
    ///
    /// Sessions go on with earlier ones only where nothing was left out then: the
    /// server was verified, and no certificate of ours was shown, nor is one now.
    pub(crate) fn client_config(
        &self,
        host: &Host,
        options: &Options,
        verify: bool,
        resumption: Resumption,
    ) -> Result<ClientConfig, String> {
        let made = self.made.get_or_init(|| make(&self.config)).as_ref().map_err(Clone::clone)?;
        let verifier: Arc<dyn ServerCertVerifier> = if verify {
            Arc::clone(&made.verifier) as _
        } else {
            Arc::new(Unverified(Arc::clone(&made.provider)))
        };
        let builder = ClientConfig::builder_with_provider(Arc::clone(&made.provider))
            .with_protocol_versions(versions(options))
            .map_err(|error| error.to_string())?
            .dangerous()
            .with_custom_certificate_verifier(verifier);
        let mut identities = self.config.identities.iter();
        let identity = identities.find(|identity| verify && identity.hosts.is_about(host));
        let mut config = match identity {
            Some(identity) => builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(
                Arc::clone(&identity.key),
            ))),
            None => builder.with_client_cert_resolver(Arc::clone(&made.nothing_to_show) as _),
        };
        config.resumption = match identity {
            None if verify => resumption,
            _ => Resumption::disabled(),
        };
        config.alpn_protocols.clone_from(&options.protocols);
        Ok(config)
    }
}

const BOTH: &[&SupportedProtocolVersion] = &[&TLS13, &TLS12];
const ONLY_12: &[&SupportedProtocolVersion] = &[&TLS12];
const ONLY_13: &[&SupportedProtocolVersion] = &[&TLS13];

fn versions(options: &Options) -> &'static [&'static SupportedProtocolVersion] {
    match (options.oldest, options.newest) {
        (Version::Tls12, Version::Tls13) => BOTH,
        (Version::Tls12, Version::Tls12) => ONLY_12,
        (Version::Tls13, Version::Tls13) => ONLY_13,
        (Version::Tls13, Version::Tls12) => &[],
    }
}

/// All who may sign.
fn store(config: &TrustConfig) -> RootCertStore {
    let mut roots = RootCertStore::empty();
    if config.public_roots {
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
        // What the system has and rustls cannot read is not trusted.
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    }
    roots.add_parsable_certificates(config.roots.iter().cloned());
    roots
}

fn make(config: &TrustConfig) -> Result<Made, String> {
    let roots = store(config);
    let provider = Arc::new(ring::default_provider());
    let verifier =
        WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
            .build()
            .map_err(|_| "the host trusts no certificate authority".to_owned())?;
    Ok(Made { provider, verifier, nothing_to_show: Arc::new(NoIdentity) })
}

/// Believes any certificate: only where the host has granted it.
#[derive(Debug)]
struct Unverified(Arc<CryptoProvider>);

impl ServerCertVerifier for Unverified {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, signed, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, signed, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[expect(clippy::print_stdout, reason = "who reads the test's output should know")]
    fn the_roots_of_mozilla_of_the_system_and_ones_own() {
        let own = rcgen::generate_simple_self_signed(["a.test".to_owned()]).unwrap().cert;
        let mut config = TrustConfig::default();
        config.add_roots(own.pem().as_bytes()).unwrap();
        let mut only_own = RootCertStore::empty();
        only_own.add(own.der().clone()).unwrap();
        let mut of_system = RootCertStore::empty();
        of_system.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        if of_system.is_empty() {
            println!("this system has no roots of its own");
        }
        let of_mozilla = webpki_roots::TLS_SERVER_ROOTS;
        assert!(of_mozilla.len() > 50, "{}", of_mozilla.len());
        let all = store(&config);
        assert_eq!(all.len(), of_mozilla.len() + of_system.len() + 1);
        for root in of_mozilla.iter().chain(&of_system.roots).chain(&only_own.roots) {
            assert!(all.roots.contains(root), "{root:?}");
        }
        config.public_roots = false;
        assert_eq!(store(&config).roots, only_own.roots);
        assert!(make(&TrustConfig { public_roots: false, ..TrustConfig::default() }).is_err());
    }
}
