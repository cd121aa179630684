//! What is fetched: CPython's source and the compiler, pinned by hash in
//! `python-runtime/sources.toml`; the C libraries' sources come through Cargo.

use crate::command::output;
use crate::failure::{Failure, explained};
use anyhow::{Context, Result, bail};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

#[derive(Deserialize)]
pub(crate) struct Sources {
    pub(crate) python: Python,
    pub(crate) zig: Wheel,
    pub(crate) make: Wheel,
    pub(crate) libraries: BTreeMap<String, Wheel>,
    pub(crate) crates: BTreeMap<String, Crate>,
    pub(crate) adapter: Crate,
    pub(crate) parts: Vec<Part>,
}

#[derive(Deserialize)]
pub(crate) struct Python {
    pub(crate) version: String,
    pub(crate) archive: String,
    pub(crate) sha256: String,
    pub(crate) license: String,
    pub(crate) texts: Vec<String>,
    pub(crate) urls: Vec<String>,
}

#[derive(Deserialize)]
pub(crate) struct Wheel {
    pub(crate) package: String,
    pub(crate) version: String,
    pub(crate) license: String,
    pub(crate) sha256: Vec<String>,
    /// None of what only builds.
    #[serde(default)]
    pub(crate) texts: Vec<String>,
}

#[derive(Deserialize)]
pub(crate) struct Crate {
    pub(crate) package: String,
    pub(crate) license: String,
    pub(crate) texts: Vec<String>,
}

/// Something with a licence of its own within something that is fetched.
#[derive(Deserialize)]
pub(crate) struct Part {
    pub(crate) name: String,
    pub(crate) of: String,
    pub(crate) version: Option<String>,
    pub(crate) says: Option<Says>,
    pub(crate) license: String,
    pub(crate) texts: Vec<String>,
}

/// Where a part's version is written, and how.
#[derive(Deserialize)]
pub(crate) struct Says {
    pub(crate) file: String,
    pub(crate) words: Vec<String>,
}

impl Sources {
    pub(crate) fn read(repository: &Path) -> Result<Self> {
        let path = repository.join("python-runtime/sources.toml");
        let text =
            fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        toml::from_str(&text).with_context(|| format!("{} is not valid", path.display()))
    }
}

/// Where Cargo keeps the sources of the crates that carry C libraries, and a
/// key of their versions.
pub(crate) fn crate_sources(
    repository: &Path,
    crates: &BTreeMap<String, Crate>,
) -> Result<BTreeMap<String, CrateSource>> {
    #[derive(Deserialize)]
    struct Metadata {
        packages: Vec<Package>,
    }
    #[derive(Deserialize)]
    struct Package {
        name: String,
        version: String,
        manifest_path: PathBuf,
    }
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let text = output(Command::new(&cargo).current_dir(repository).args([
        "metadata",
        "--format-version",
        "1",
        "--locked",
    ]))
    .with_context(|| Failure::Unreachable("the C libraries' sources, by `cargo metadata`".into()))
    .map_err(|error| explained(error, repository))?;
    let metadata: Metadata =
        serde_json::from_str(&text).context("cannot read what `cargo metadata` printed")?;
    let mut found = BTreeMap::new();
    for (library, wanted) in crates {
        let Some(package) = metadata.packages.iter().find(|p| p.name == wanted.package) else {
            bail!("the crate {} is not among the dependencies of xtask", wanted.package);
        };
        let folder = package.manifest_path.parent().unwrap_or(Path::new("")).to_owned();
        let source = CrateSource { version: package.version.clone(), folder };
        found.insert(library.clone(), source);
    }
    Ok(found)
}

pub(crate) struct CrateSource {
    pub(crate) version: String,
    pub(crate) folder: PathBuf,
}
