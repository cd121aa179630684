//! `cargo xtask run`: a Python file in the sandbox, whatever has to be built first.

use crate::cargo::cargo;
use crate::runtime;
use anyhow::{Context, Result};
use std::path::Path;
use std::process::ExitCode;

pub(crate) fn run(repository: &Path, arguments: &[String]) -> Result<ExitCode> {
    if !runtime::is_current(repository)? {
        eprintln!("Building the Python runtime first; this is done once.");
        runtime::build(repository)?;
    }
    let build = cargo(repository).args(["build", "--quiet", "--package", "eryx-cli"]).status();
    if !build.context("cannot start Cargo")?.success() {
        return Ok(ExitCode::FAILURE);
    }
    // Relative paths are meant from where the user stands.
    let program =
        repository.join("target/debug").join(format!("eryx{}", std::env::consts::EXE_SUFFIX));
    let status = std::process::Command::new(&program)
        .arg("run")
        .args(arguments)
        .status()
        .with_context(|| format!("cannot start {}", program.display()))?;
    Ok(status
        .code()
        .and_then(|code| u8::try_from(code).ok())
        .map_or(ExitCode::FAILURE, ExitCode::from))
}
