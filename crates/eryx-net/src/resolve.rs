use crate::HostName;
use std::io;
use std::net::IpAddr;
use std::pin::Pin;

/// What a [`Resolver`] answers with, later.
pub type Answer = Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send>>;

/// Finds the addresses of names.
///
/// Asked only for names that the policy allows. What it answers is checked, and
/// addresses that the policy does not allow are left out.
pub trait Resolver: Send + Sync {
    /// The addresses of `name`, best first. [`io::ErrorKind::NotFound`] says
    /// that there is no such name.
    fn resolve(&self, name: &HostName) -> Answer;
}

/// Asks the operating system.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemResolver;

impl Resolver for SystemResolver {
    fn resolve(&self, name: &HostName) -> Answer {
        let name = name.as_str().to_owned();
        Box::pin(async move {
            let found = tokio::net::lookup_host((name, 0)).await?;
            Ok(found.map(|address| address.ip()).collect())
        })
    }
}
