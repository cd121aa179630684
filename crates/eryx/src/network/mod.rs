//! The network of a sandbox; with the feature `net` there can be one.

#[cfg(not(feature = "net"))]
mod disabled;
#[cfg(feature = "net")]
mod enabled;

#[cfg(not(feature = "net"))]
pub(crate) use disabled::{EXTENSIONS, NetworkSetup, Reach, Sockets, link};
#[cfg(feature = "net")]
pub(crate) use enabled::{EXTENSIONS, NetworkSetup, Reach, Sockets, link};
