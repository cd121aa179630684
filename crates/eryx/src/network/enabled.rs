use crate::{SandboxBuilder, SandboxState};
use eryx_core::{Error, RuntimeView};
use eryx_net::{NetConfig, NetCtx, NetView, Network, Secret, TooManyOperations, Work};
use std::sync::OnceLock;
use wasmtime::component::Linker;

/// What the guest is told to be there.
pub(crate) const EXTENSIONS: &[&str] = &["eryx:net"];

/// What all runs of a sandbox can reach.
#[derive(Debug, Clone)]
pub(crate) struct Reach(Network);

impl Default for Reach {
    /// Nothing.
    fn default() -> Self {
        static NOTHING: OnceLock<Network> = OnceLock::new();
        Self(NOTHING.get_or_init(Network::nothing).clone())
    }
}

/// The sockets of one interpreter.
#[derive(Debug)]
pub(crate) struct Sockets(NetCtx);

impl Sockets {
    pub(crate) fn new(reach: &Reach) -> Self {
        Self(reach.0.context())
    }

    pub(crate) fn begin_run(&mut self) {
        self.0.begin_run();
    }
}

/// What a builder was told of the network.
#[derive(Debug, Default)]
pub(crate) struct NetworkSetup {
    config: Option<NetConfig>,
    secrets: Vec<Secret>,
}

impl NetworkSetup {
    /// Makes the network, and shows programs what stands for the secrets.
    pub(crate) fn open(self, environment: &mut Vec<(String, String)>) -> Result<Reach, Error> {
        if self.config.is_none() && self.secrets.is_empty() {
            return Ok(Reach::default());
        }
        let config = self.config.unwrap_or_default();
        let config = self.secrets.into_iter().fold(config, NetConfig::secret);
        let network = config.build().map_err(|error| Error::Config(error.to_string()))?;
        for (name, placeholder) in network.placeholders() {
            environment.push((name.to_owned(), placeholder.to_owned()));
        }
        Ok(Reach(network))
    }
}

pub(crate) fn link(linker: &mut Linker<SandboxState>) -> wasmtime::Result<()> {
    eryx_net::add_to_linker(linker)
}

impl NetView for SandboxState {
    fn net(&mut self) -> &mut NetCtx {
        &mut self.sockets().0
    }

    fn submit(&mut self, work: Work) -> Result<u32, TooManyOperations> {
        self.runtime().submit(work).map_err(|_| TooManyOperations)
    }
}

/// The network. Without any of these a program can reach nothing.
impl SandboxBuilder {
    /// Lets programs reach what `network` allows. Runs must then be within a
    /// tokio runtime that has its I/O enabled.
    ///
    /// ```no_run
    /// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
    /// use eryx::{NetConfig, Sandbox};
    ///
    /// let network = NetConfig::new().allow("example.com")?;
    /// let sandbox = Sandbox::embedded().network(network).build()?;
    /// let code = "import urllib.request as r; print(r.urlopen('https://example.com').status)";
    /// assert_eq!(sandbox.execute(code).await?.stdout, "200\n");
    /// # Ok(())
    /// # }
    /// ```
    pub fn network(mut self, network: NetConfig) -> Self {
        self.network.config = Some(network);
        self
    }

    /// Gives programs the use of a secret: `os.environ` has a placeholder under
    /// its name, and the value is put in its place on the way to the servers
    /// that the secret is for. They still have to be allowed.
    ///
    /// ```no_run
    /// # fn example() -> Result<(), Box<dyn std::error::Error>> {
    /// use eryx::{NetConfig, Sandbox, Secret};
    ///
    /// let secret = Secret::new("API_KEY", "s3cr3t", ["api.example.com".parse()?])?;
    /// let sandbox = Sandbox::embedded()
    ///     .network(NetConfig::new().allow("api.example.com")?)
    ///     .secret(secret)
    ///     .build()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn secret(mut self, secret: Secret) -> Self {
        self.network.secrets.push(secret);
        self
    }
}
