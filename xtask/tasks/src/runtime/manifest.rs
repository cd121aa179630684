//! What a runtime is made of: versions, hashes, sizes and licences.

use super::FILES;
use super::lock::Lock;
use super::sources::{Crate, Sources};
use super::texts::Texts;
use anyhow::{Context, Result};
use serde::Serialize;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

const NAME: &str = "manifest.json";

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
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<String>,
    /// What it is part of: that has the hash.
    #[serde(skip_serializing_if = "Option::is_none")]
    part_of: Option<String>,
    /// Of the archive that was fetched: where there is one a platform, any of these.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    sha256: Vec<String>,
    /// The licence of what ends up in the runtime, as SPDX names it.
    license: String,
    #[serde(skip)]
    texts: Vec<String>,
}

/// Puts the archive, the licences and the manifest beside the component.
pub(crate) fn write(
    folder: &Path,
    library: &Path,
    sources: &Sources,
    lock: &Lock,
    texts: &Texts,
) -> Result<()> {
    fs::copy(library.join("stdlib.zip"), folder.join("stdlib.zip"))?;
    let sources_of_all = list(sources, lock, texts)?;
    fs::write(folder.join("licenses.txt"), licenses(&sources_of_all, texts)?)?;
    let mut files = BTreeMap::new();
    for name in FILES.into_iter().filter(|name| *name != NAME) {
        let content = fs::read(folder.join(name)).with_context(|| format!("cannot read {name}"))?;
        let blake3 = blake3::hash(&content).to_string();
        files.insert(name, FileInfo { bytes: content.len(), blake3 });
    }
    let manifest = Manifest {
        interface: "eryx:runtime@0.1.0",
        python: sources.python.version.clone(),
        files,
        sources: sources_of_all,
    };
    let text = serde_json::to_string_pretty(&manifest)? + "\n";
    fs::write(folder.join(NAME), text).context("cannot write the manifest")
}

/// Whether the files in `folder` are those that its manifest lists.
pub(crate) fn holds(folder: &Path) -> bool {
    let text = fs::read_to_string(folder.join(NAME)).unwrap_or_default();
    let manifest: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
    FILES.into_iter().filter(|name| *name != NAME).all(|name| {
        let noted = manifest["files"][name]["blake3"].as_str();
        let found = fs::read(folder.join(name)).map(|content| blake3::hash(&content).to_string());
        found.is_ok_and(|found| noted == Some(&*found))
    })
}

fn list(sources: &Sources, lock: &Lock, texts: &Texts) -> Result<Vec<Source>> {
    let mut list = vec![
        Source {
            name: "CPython".into(),
            version: Some(sources.python.version.clone()),
            part_of: None,
            sha256: vec![sources.python.sha256.clone()],
            license: sources.python.license.clone(),
            texts: sources.python.texts.clone(),
        },
        Source {
            name: "zig".into(),
            version: Some(sources.zig.version.clone()),
            part_of: None,
            sha256: sources.zig.sha256.clone(),
            license: sources.zig.license.clone(),
            texts: sources.zig.texts.clone(),
        },
    ];
    for library in sources.libraries.values() {
        list.push(Source {
            name: library.package.clone(),
            version: Some(library.version.clone()),
            part_of: None,
            sha256: library.sha256.clone(),
            license: library.license.clone(),
            texts: library.texts.clone(),
        });
    }
    for (name, source) in &sources.crates {
        list.push(of_crate(name, source, lock)?);
    }
    list.push(of_crate("adapter", &sources.adapter, lock)?);
    for part in &sources.parts {
        if let Some(says) = &part.says {
            texts.must_say(&says.file, &says.words)?;
        }
        list.push(Source {
            name: part.name.clone(),
            version: part.version.clone(),
            part_of: Some(if part.of == "python" { "CPython".into() } else { part.of.clone() }),
            sha256: Vec::new(),
            license: part.license.clone(),
            texts: part.texts.clone(),
        });
    }
    Ok(list)
}

fn of_crate(name: &str, source: &Crate, lock: &Lock) -> Result<Source> {
    let package = lock.of(&source.package)?;
    let checksum = package.checksum.clone();
    Ok(Source {
        name: format!("{name}, as the crate {} carries it", source.package),
        version: Some(package.version.clone()),
        part_of: None,
        sha256: vec![checksum.context("Cargo.lock has no checksum of a crate in the runtime")?],
        license: source.license.clone(),
        texts: source.texts.clone(),
    })
}

/// The texts of all licences, each once.
fn licenses(sources: &[Source], texts: &Texts) -> Result<String> {
    let mut all = vec![LICENSES.to_owned()];
    let mut shown: BTreeMap<&str, &str> = BTreeMap::new();
    for source in sources {
        let version = source.version.as_deref().unwrap_or_default();
        all.push(format!("{}\n{} {version}", "=".repeat(80), source.name).trim_end().to_owned());
        all.push(source.license.clone());
        for text in &source.texts {
            all.push(match shown.insert(text, &source.name) {
                Some(before) => format!("See {before}."),
                None => texts.text(text)?.trim_end().to_owned(),
            });
        }
    }
    Ok(all.join("\n\n") + "\n")
}

const LICENSES: &str = "The licences of what the runtime of eryx is made of.";

#[cfg(test)]
mod tests {
    use super::{FILES, NAME, holds};
    use std::fs;

    #[test]
    fn files_are_those_of_the_manifest_or_they_are_not_used() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        assert!(!holds(folder.path()));
        let mut lines = Vec::new();
        for name in FILES.into_iter().filter(|name| *name != NAME) {
            fs::write(path(name), name).unwrap();
            lines.push(format!(r#""{name}": {{"blake3": "{}"}}"#, blake3::hash(name.as_bytes())));
        }
        fs::write(path(NAME), format!(r#"{{"files": {{{}}}}}"#, lines.join(","))).unwrap();
        assert!(holds(folder.path()));
        fs::write(path(FILES[0]), "cut short").unwrap();
        assert!(!holds(folder.path()));
        fs::remove_file(path(FILES[0])).unwrap();
        assert!(!holds(folder.path()));
    }
}
