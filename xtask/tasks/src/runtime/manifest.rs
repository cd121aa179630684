//! What a runtime is made of: versions, hashes, sizes and licences.

use super::FILES;
use super::sources::{CrateSource, Sources};
use anyhow::{Context, Result};
use serde::Serialize;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

#[derive(Serialize)]
struct Manifest {
    /// The version of the interface in `wit/`.
    interface: &'static str,
    python: String,
    files: BTreeMap<&'static str, FileInfo>,
    sources: Vec<Source>,
}

#[derive(Serialize)]
struct FileInfo {
    bytes: usize,
    blake3: String,
}

#[derive(Serialize)]
struct Source {
    name: String,
    version: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    sha256: Option<String>,
    /// The licence of what ends up in the runtime, as SPDX names it.
    license: String,
}

/// Puts the archive and the manifest beside the component.
pub(crate) fn write(
    folder: &Path,
    library: &Path,
    sources: &Sources,
    crates: &BTreeMap<String, CrateSource>,
) -> Result<()> {
    fs::copy(library.join("stdlib.zip"), folder.join("stdlib.zip"))?;
    let mut files = BTreeMap::new();
    for name in FILES.into_iter().filter(|name| *name != "manifest.json") {
        let content = fs::read(folder.join(name)).with_context(|| format!("cannot read {name}"))?;
        let blake3 = blake3::hash(&content).to_string();
        files.insert(name, FileInfo { bytes: content.len(), blake3 });
    }
    let manifest = Manifest {
        interface: "eryx:runtime@0.1.0",
        python: sources.python.version.clone(),
        files,
        sources: list(sources, crates),
    };
    let text = serde_json::to_string_pretty(&manifest)? + "\n";
    fs::write(folder.join("manifest.json"), text).context("cannot write the manifest")
}

fn list(sources: &Sources, crates: &BTreeMap<String, CrateSource>) -> Vec<Source> {
    let mut list = vec![
        Source {
            name: "CPython".into(),
            version: sources.python.version.clone(),
            sha256: Some(sources.python.sha256.clone()),
            license: sources.python.license.clone(),
        },
        Source {
            name: "wasi-libc, as zig carries it".into(),
            version: sources.zig.version.clone(),
            sha256: None,
            license: format!("{} AND Apache-2.0 WITH LLVM-exception", sources.zig.license),
        },
    ];
    for library in sources.libraries.values() {
        list.push(Source {
            name: library.package.clone(),
            version: library.version.clone(),
            sha256: library.sha256.first().cloned(),
            license: library.license.clone(),
        });
    }
    for (name, found) in crates {
        list.push(Source {
            name: format!("{name}, as the crate {} carries it", sources.crates[name].package),
            version: found.version.clone(),
            sha256: None,
            license: sources.crates[name].license.clone(),
        });
    }
    list
}
