use crate::HostName;
use std::io;
use std::net::{IpAddr, ToSocketAddrs};
use std::pin::Pin;
use std::sync::Arc;
use tokio::sync::Semaphore;

/// What a [`Resolver`] answers with, later.
pub type Answer = Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send>>;

/// Finds the addresses of names.
///
/// Asked only for names that the policy allows. What it answers is checked, and
/// addresses that the policy does not allow are left out. One that panics has found
/// nothing.
pub trait Resolver: Send + Sync {
    /// The addresses of `name`, best first. [`io::ErrorKind::NotFound`] says
    /// that there is no such name.
    fn resolve(&self, name: &HostName) -> Answer;
}

/// Asks the operating system, about eight names at once: each takes a thread until
/// the system has answered, whether somebody still waits for it or not.
#[derive(Debug, Clone)]
pub struct SystemResolver {
    threads: Arc<Semaphore>,
}

/// Threads of one resolver.
const AT_ONCE: usize = 8;

impl Default for SystemResolver {
    fn default() -> Self {
        Self { threads: Arc::new(Semaphore::new(AT_ONCE)) }
    }
}

impl Resolver for SystemResolver {
    fn resolve(&self, name: &HostName) -> Answer {
        let (threads, name) = (Arc::clone(&self.threads), name.as_str().to_owned());
        Box::pin(async move {
            let thread = threads.acquire_owned().await.map_err(io::Error::other)?;
            let ask = move || {
                let _thread = thread;
                let found = (name.as_str(), 0).to_socket_addrs()?;
                Ok(found.map(|address| address.ip()).collect())
            };
            tokio::task::spawn_blocking(ask).await.map_err(io::Error::other)?
        })
    }
}
