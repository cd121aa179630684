//! What is asked of servers that may be HTTP proxies.
//!
//! Whether a server is one the host cannot know, so every connection's requests are
//! followed: a proxy leads nowhere that the rules do not.

mod follower;
#[cfg(any(test, feature = "fuzzing"))]
#[expect(clippy::indexing_slicing, reason = "what is found is told by panicking")]
pub(crate) mod fuzzing;
mod request;

pub(crate) use follower::Follower;

use crate::policy::Host;
use std::net::Ipv6Addr;

/// What a proxy was asked to lead to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) host: Host,
    pub(crate) port: u16,
}

impl Target {
    /// Reads `name:port`, `address:port` or `[address]:port`; the port may be left out
    /// where there is a usual one.
    fn read(authority: &[u8], usual_port: Option<u16>) -> Option<Self> {
        let authority = std::str::from_utf8(authority).ok()?;
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (host, port),
            _ => (authority, ""),
        };
        let port = match (port, usual_port) {
            ("", usual) => usual?,
            (port, _) if port.bytes().all(|byte| byte.is_ascii_digit()) => port.parse().ok()?,
            _ => return None,
        };
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        // Without brackets nobody can say where an address ends and the port begins.
        match bare {
            Some(address) => address.parse::<Ipv6Addr>().ok().map(drop)?,
            None if host.contains(':') => return None,
            None => {}
        }
        Some(Self { host: bare.unwrap_or(host).parse().ok()?, port })
    }
}

/// Why a request is not sent: what a proxy would make of it nobody can say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unclear {
    #[error("what an HTTP proxy would be asked for cannot be read")]
    Target,
    #[error("a line of an HTTP request has more than 64 KiB")]
    TooLong,
    #[error("servers could take this HTTP request for two")]
    Ambiguous,
}
