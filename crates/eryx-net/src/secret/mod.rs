//! Secrets that the guest can use and never sees.

mod answers;
mod chunks;
#[cfg(any(test, feature = "fuzzing"))]
#[expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "what is found is told by panicking"
)]
pub(crate) mod fuzzing;
mod head;
mod held;
mod replacer;
mod rewriter;
mod scrubber;
mod spellings;

pub(crate) use rewriter::Rewriter;

use crate::error::NetConfigError;
use crate::policy::{HostName, NetRule};
use std::fmt;
use std::sync::Arc;

/// What all placeholders begin with.
const PREFIX: &[u8] = b"eryx_secret_";

/// A secret: the guest has a placeholder, the server gets the value.
///
/// The value is put in the placeholder's place in HTTP/1.1 requests, in every one
/// of a connection, inside TLS with a verified server that `hosts` matches, when
/// the request's own `Host` is that server. In header values at first, those of
/// basic authentication included; in the path, the query and the body when told
/// so. Everywhere else the placeholder stays what it is. Servers that have
/// secrets are not asked for HTTP/2.
///
/// What the guest computes over a request, such as a signature, it computes over
/// the placeholder. Where a server repeats the value in its answer, in the head or in
/// the body, as it is or as forms, URLs, JSON and HTML write it, the guest gets the
/// placeholder; in bodies of more than 1 MiB whose length was told before, and in what
/// is not HTTP, asterisks. For that a value has four characters at least: fewer are in
/// everything that is written. Servers that have secrets are asked for answers that are
/// not compressed. What a server makes of a value otherwise, a hash say, the guest
/// gets. Secrets may add 1 MiB to a request; the guest gets a `PermissionError` for
/// more, and for requests that servers could take for two.
///
/// ```
/// use eryx_net::Secret;
///
/// let secret = Secret::new("API_KEY", "s3cr3t", ["api.example.com".parse()?])?;
/// assert!(!format!("{secret:?}").contains("s3cr3t"));
/// assert!(Secret::new("API_KEY", "two\r\nlines", []).is_err());
/// assert!(Secret::new("API_KEY", "s3c", []).is_err());
/// assert!(Secret::new("API_KEY", "s3cr3t", ["10.0.0.1".parse()?]).is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Secret {
    name: String,
    value: Arc<str>,
    placeholder: String,
    hosts: Vec<NetRule>,
    in_target: bool,
    in_body: bool,
}

impl Secret {
    /// A secret for the servers that `hosts` name; at which port is not looked at.
    ///
    /// # Errors
    /// [`NetConfigError::Secret`] if the value has fewer than four characters or other
    /// characters than visible ASCII and spaces, or if one of the hosts is an address:
    /// what is verified is a name.
    pub fn new(
        name: impl Into<String>,
        value: impl Into<String>,
        hosts: impl IntoIterator<Item = NetRule>,
    ) -> Result<Self, NetConfigError> {
        let (name, value) = (name.into(), value.into());
        if value.is_empty() {
            return Err(NetConfigError::Secret { name, reason: "its value is empty" });
        }
        if !value.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
            let reason = "its value may hold visible ASCII characters and spaces only, no line end";
            return Err(NetConfigError::Secret { name, reason });
        }
        if value.len() < scrubber::LEAST {
            let reason = "its value has fewer than four characters: too few to be found and \
                          hidden where a server repeats it";
            return Err(NetConfigError::Secret { name, reason });
        }
        let hosts: Vec<NetRule> = hosts.into_iter().collect();
        if hosts.iter().any(|rule| !rule.is_of_names()) {
            let reason = "it can belong to host names only, not to addresses";
            return Err(NetConfigError::Secret { name, reason });
        }
        let mut random = [0; 16];
        getrandom::fill(&mut random).map_err(NetConfigError::Randomness)?;
        let placeholder =
            format!("{}{:032x}", String::from_utf8_lossy(PREFIX), u128::from_ne_bytes(random));
        Ok(Self { name, value: value.into(), placeholder, hosts, in_target: false, in_body: false })
    }

    /// Puts the value into paths and queries, too, percent-encoded.
    #[must_use]
    pub fn in_path_and_query(mut self) -> Self {
        self.in_target = true;
        self
    }

    /// Puts the value into bodies, too, however long they are and however the
    /// guest cuts them: percent-encoded into forms
    /// (`application/x-www-form-urlencoded`), escaped into JSON, and as it is
    /// into all others. What is compressed or otherwise encoded by the guest is
    /// not looked into.
    ///
    /// A body's `Content-Length` is made to fit. A body of more than 1 MiB, and
    /// one that waits for `100 Continue`, goes in chunks instead, and a chunked
    /// one is cut anew. The guest gets a `PermissionError` for an HTTP/1.0
    /// request with more than 1 MiB, since that knows no chunks.
    #[must_use]
    pub fn in_body(mut self) -> Self {
        self.in_body = true;
        self
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What the guest has in its place; random, made with the secret.
    pub fn placeholder(&self) -> &str {
        &self.placeholder
    }

    fn is_for(&self, host: &HostName) -> bool {
        self.hosts.iter().any(|rule| rule.names(host))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Secret")
            .field("name", &self.name)
            .field("hosts", &self.hosts)
            .finish_non_exhaustive()
    }
}

/// A request that can be two requests, or that is too large, is not sent: what
/// the server would make of it nobody can say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refused {
    #[error(
        "an HTTP request to a server with secrets has a head of more than 64 KiB, or a line of more than 4 KiB between chunks"
    )]
    TooLong,
    #[error("an HTTP request to a server with secrets has two lengths, or none that can be read")]
    Ambiguous,
    #[error("secrets would add more than 1 MiB to an HTTP request")]
    TooMuch,
    #[error("a body of more than 1 MiB with secrets in it needs HTTP/1.1: it goes in chunks")]
    NoChunks,
    #[error("TRACE has a server send back what it gets, and there is a secret in it")]
    Echo,
}

/// Refuses two secrets of one name.
pub(crate) fn check_distinct(secrets: &[Secret]) -> Result<(), NetConfigError> {
    for (number, secret) in secrets.iter().enumerate() {
        if secrets.iter().take(number).any(|other| other.name == secret.name) {
            let reason = "there are two of this name";
            return Err(NetConfigError::Secret { name: secret.name.clone(), reason });
        }
    }
    Ok(())
}
