//! CPython's source, from the first of several places that has it.

use super::sources::Python;
use crate::command::{Failed, run};
use crate::failure::Failure;
use crate::key::Key;
use crate::progress::Meter;
use crate::workshop::{Made, Step, Workshop};
use anyhow::{Error, Result};
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const SCRIPT: &str = include_str!("fetch.py");

const STEP: Step =
    Step { name: "python-source", what: "fetch CPython's source", seconds: 8, results: &[] };

/// The Python that the machine has; it only fetches and installs.
pub(crate) fn host_python() -> Command {
    Command::new(env::var_os("PYTHON").unwrap_or_else(|| "python3".into()))
}

/// CPython's source tree.
pub(crate) fn python_source(shop: &mut Workshop, python: &Python) -> Result<Made> {
    let key = Key::of("python source").text(&python.sha256).done();
    let made = shop.step(STEP, key, |folder, meter| {
        let urls = candidates(&python.urls);
        fetch(&mut host_python(), folder, &python.archive, &python.sha256, &urls, meter)
    })?;
    Ok(Made { folder: made.folder.join(format!("Python-{}", python.version)), key: made.key })
}

/// Fetches an archive into `folder`, and unpacks it there.
fn fetch(
    command: &mut Command,
    folder: &Path,
    archive: &str,
    sha256: &str,
    urls: &[String],
    meter: &Meter,
) -> Result<()> {
    command.args(["-c", SCRIPT]).arg(folder.join(archive)).arg(sha256).arg(folder).args(urls);
    run(command, &folder.join("fetch.log"), meter, 100).map_err(|error| typed(error, archive))
}

/// What the script says by how it ends.
fn typed(error: Error, archive: &str) -> Error {
    let status = error.downcast_ref::<Failed>().and_then(|failed| failed.status.code());
    match status.and_then(|status| Failure::of_status(status, archive.to_owned())) {
        Some(failure) => error.context(failure),
        None => error,
    }
}

/// The URLs to try, with Debian's mirrors filled in.
fn candidates(urls: &[String]) -> Vec<String> {
    let mirrors = debian_mirrors();
    urls.iter()
        .flat_map(|url| match url.strip_prefix("{debian}") {
            Some(path) => mirrors.iter().map(|mirror| format!("{mirror}{path}")).collect(),
            None => vec![url.clone()],
        })
        .collect()
}

/// The mirrors that apt is set up to use on this machine.
fn debian_mirrors() -> Vec<String> {
    let mut files = vec![PathBuf::from("/etc/apt/sources.list")];
    if let Ok(entries) = fs::read_dir("/etc/apt/sources.list.d") {
        files.extend(entries.flatten().map(|entry| entry.path()));
    }
    files.sort();
    let mut mirrors = Vec::new();
    for text in files.iter().filter_map(|file| fs::read_to_string(file).ok()) {
        let words = text
            .lines()
            .filter(|line| !line.trim_start().starts_with('#'))
            .flat_map(str::split_whitespace);
        for word in words {
            let word = word.trim_end_matches('/');
            if word.starts_with("http") && !mirrors.iter().any(|known| known == word) {
                mirrors.push(word.to_owned());
            }
        }
    }
    mirrors
}

#[cfg(test)]
mod tests;
