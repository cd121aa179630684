//! Failures as the guest is told of them.

use crate::bindings::eryx::net::types::{Code, Failure};
use std::io;

/// Errors of the embedder's own doing, found when a network is set up.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NetConfigError {
    /// A rule cannot be read.
    #[error(transparent)]
    Rule(#[from] crate::RuleError),
    /// Certificates or a key cannot be read.
    #[error("{what} cannot be used: {reason}")]
    Certificate {
        /// Which of them.
        what: &'static str,
        /// Why.
        reason: String,
    },
    /// A secret cannot be sent.
    #[error("the secret `{name}` cannot be used: {reason}")]
    Secret {
        /// Its name.
        name: String,
        /// Why, without its value.
        reason: &'static str,
    },
    /// There is no randomness to be had.
    #[error("the machine gives no random bytes")]
    Randomness(#[source] getrandom::Error),
}

/// The embedder waits for as many operations as it can.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too many operations are under way")]
pub struct TooManyOperations;

pub(crate) fn failure(code: Code, message: impl Into<String>) -> Failure {
    Failure { code, message: message.into() }
}

pub(crate) fn no_connection() -> Failure {
    failure(Code::Closed, "there is no such connection")
}

pub(crate) fn want_read() -> Failure {
    failure(Code::WantRead, String::new())
}

pub(crate) fn want_write() -> Failure {
    failure(Code::WantWrite, String::new())
}

impl From<TooManyOperations> for Failure {
    fn from(error: TooManyOperations) -> Self {
        failure(Code::Limit, error.to_string())
    }
}

/// What the operating system said, without what it may know of the host.
pub(crate) fn from_io(error: &io::Error) -> Failure {
    use io::ErrorKind as Kind;
    let (code, message) = match error.kind() {
        Kind::WouldBlock => (Code::WantRead, ""),
        Kind::ConnectionRefused => (Code::Refused, "the peer refused the connection"),
        Kind::ConnectionReset => (Code::Reset, "the peer reset the connection"),
        Kind::ConnectionAborted => (Code::Aborted, "the connection was given up"),
        Kind::BrokenPipe => (Code::Broken, "the connection takes no more bytes"),
        Kind::NotConnected => (Code::Closed, "there is no connection any more"),
        Kind::TimedOut => (Code::TimedOut, "the peer did not answer in time"),
        Kind::HostUnreachable | Kind::NetworkUnreachable | Kind::NetworkDown => {
            (Code::Unreachable, "the peer cannot be reached")
        }
        Kind::AddrNotAvailable => (Code::Unreachable, "the host has no way to this address"),
        _ => (Code::Other, "the connection failed"),
    };
    failure(code, message)
}
