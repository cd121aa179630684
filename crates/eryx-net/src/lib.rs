//! TCP and TLS for WebAssembly guests, through the host, by policy.
//!
//! The host side of package `eryx:net`, for any wasmtime store. A guest reaches
//! what the rules of its [`Network`] allow, and nothing else:
//!
//! ```
//! use eryx_net::{NetConfig, NetLimits};
//!
//! let network = NetConfig::new()
//!     .allow("api.example.com")?
//!     .allow("10.1.2.3:5432")?
//!     .limits(NetLimits { open: 4, ..NetLimits::default() })
//!     .build()?;
//! let context = network.context(); // for one run
//! # drop(context);
//! # Ok::<(), eryx_net::NetConfigError>(())
//! ```
//!
//! A store's data lends its [`NetCtx`] through [`NetView`], and has work done
//! beside the guest; [`add_to_linker`] links the imports. Nothing that the guest
//! calls waits: it starts work, and waits for all of it in one place that is the
//! embedder's.
//!
//! Names are looked up once. The addresses that the rules allow are remembered,
//! and only those are connected to, so a name that changes its mind changes
//! nothing. TLS is done by the host: keys, roots and [secrets](Secret) never
//! enter the guest.
#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test fails by panicking"))]

mod bindings;
mod budget;
mod config;
mod ctx;
mod decision;
mod error;
mod host;
mod http;
mod limits;
mod names;
mod network;
mod policy;
mod proxy;
mod request;
mod resolve;
mod secret;
mod slot;
mod tcp;
mod tls;
mod view;

pub use config::{Attempt, NetConfig};
pub use ctx::NetCtx;
pub use error::{NetConfigError, TooManyOperations};
pub use host::add_to_linker;
pub use limits::NetLimits;
pub use network::Network;
pub use policy::{AddressClass, HostName, NameError, NetRule, Ports, RuleError};
pub use request::NetRequest;
pub use resolve::{Answer, Resolver, SystemResolver};
pub use secret::Secret;
pub use view::{NetView, Work};

/// The bodies of fuzz targets that look inside.
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing {
    pub use crate::proxy::fuzzing::proxy_requests;
    pub use crate::secret::fuzzing::{http_answers, http_rewriter};
}
