//! TLS: whom the host trusts, and sessions.

mod records;
mod session;
mod trust;

pub(crate) use session::{InMemory, Lower, Session};
pub(crate) use trust::{Identity, Trust, TrustConfig};
