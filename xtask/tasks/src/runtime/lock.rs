//! What `Cargo.lock` says of the crates that are part of the runtime.

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

const TEXT: &str = include_str!("../../../../Cargo.lock");

#[derive(Deserialize)]
pub(crate) struct Lock {
    package: Vec<Package>,
}

#[derive(Deserialize)]
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) version: String,
    /// The SHA-256 of the crate's archive.
    pub(crate) checksum: Option<String>,
}

impl Lock {
    pub(crate) fn read() -> Result<Self> {
        toml::from_str(TEXT).context("cannot read Cargo.lock")
    }

    /// The one package of this name.
    pub(crate) fn of(&self, name: &str) -> Result<&Package> {
        let mut found = self.package.iter().filter(|package| package.name == name);
        let package =
            found.next().with_context(|| format!("Cargo.lock does not know the crate {name}"))?;
        ensure!(found.next().is_none(), "Cargo.lock has {name} in two versions");
        Ok(package)
    }
}
