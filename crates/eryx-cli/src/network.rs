use crate::escape::for_terminal;
use crate::say::Refusal;
use crate::secret::{Place, SecretOption};
use crate::values::{seconds, size};
use clap::Args;
use eryx::{NetConfig, NetLimits, NetRule};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What the program may reach.
#[derive(Debug, Args)]
#[command(next_help_heading = "Network")]
pub(crate) struct NetworkOptions {
    /// Let the program connect to a host: a name, `*.` and a name, an address or
    /// a network, and ports after a colon (443 without). Can be given several times.
    #[arg(long = "allow-host", value_name = "HOST[:PORTS]")]
    allow_hosts: Vec<NetRule>,

    /// Let the program use a secret that it never sees: `os.environ` has a
    /// placeholder, and servers of these names get the value over TLS. It is read
    /// from the environment variable NAME, or VARIABLE, or a file. The hosts have
    /// to be allowed, too. Can be given several times.
    #[arg(long = "secret", value_name = "NAME[=VARIABLE|=file:PATH]@HOST[,HOST]")]
    secrets: Vec<SecretOption>,

    /// Where in requests secrets are put besides headers.
    #[arg(long = "secrets-in", value_name = "PLACE", value_delimiter = ',', requires = "secrets")]
    secrets_in: Vec<Place>,

    /// Trust the certificates in a PEM file as roots, too. Can be given several times.
    #[arg(long = "net-roots", value_name = "FILE")]
    roots: Vec<PathBuf>,

    /// Trust the roots of --net-roots alone.
    #[arg(long = "net-only-roots", requires = "roots")]
    only_roots: bool,

    /// Show HOST this certificate if it asks for one: a PEM file with its chain and
    /// its key, which the program never sees. Can be given several times.
    #[arg(long = "net-certificate", value_name = "HOST=FILE", value_parser = certificate)]
    certificates: Vec<(NetRule, PathBuf)>,

    /// Connections open at once.
    #[arg(long, value_name = "NUMBER", default_value_t = 8)]
    net_open: u32,

    /// Connections in all; look-ups of names count alike, on their own.
    #[arg(long, value_name = "NUMBER", default_value_t = 64)]
    net_total: u32,

    /// Time for making a connection, or looking up a name.
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = seconds)]
    net_connect: Duration,

    /// Time after which a connection where nothing moves is closed.
    #[arg(long, value_name = "SECONDS", default_value = "30", value_parser = seconds)]
    net_idle: Duration,

    /// Bytes received, TLS included.
    #[arg(long, value_name = "SIZE", default_value = "16M", value_parser = size)]
    net_in: u64,

    /// Bytes sent, TLS included.
    #[arg(long, value_name = "SIZE", default_value = "16M", value_parser = size)]
    net_out: u64,
}

fn certificate(text: &str) -> Result<(NetRule, PathBuf), String> {
    let (host, path) = text.split_once('=').ok_or("HOST=FILE is wanted")?;
    let host = host.parse::<NetRule>().map_err(|error| error.to_string())?;
    Ok((host, path.into()))
}

impl NetworkOptions {
    pub(crate) fn config(self) -> Result<NetConfig, Refusal> {
        let limits = self.limits();
        let network = self.allow_hosts.into_iter().fold(NetConfig::new(), NetConfig::allow_rule);
        let mut network = network.limits(limits).public_roots(!self.only_roots);
        let wrong = |error: eryx::NetConfigError| Refusal::usage(for_terminal(&error.to_string()));
        for path in &self.roots {
            network = network.root_certificates(&read(path)?).map_err(wrong)?;
        }
        for (host, path) in self.certificates {
            let pem = read(&path)?;
            network = network.client_certificate(host, &pem, &pem).map_err(wrong)?;
        }
        for secret in self.secrets {
            let secret = secret.read(&self.secrets_in);
            let secret = secret.map_err(|error| Refusal::usage(for_terminal(&error)))?;
            network = network.secret(secret);
        }
        Ok(network)
    }

    fn limits(&self) -> NetLimits {
        NetLimits {
            open: self.net_open,
            total: self.net_total,
            connect: self.net_connect,
            idle: self.net_idle,
            bytes_in: self.net_in,
            bytes_out: self.net_out,
        }
    }
}

fn read(path: &Path) -> Result<Vec<u8>, Refusal> {
    fs::read(path).map_err(|error| {
        Refusal::usage(format!("cannot read {}: {error}", for_terminal(&path.to_string_lossy())))
    })
}
