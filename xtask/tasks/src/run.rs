//! `cargo xtask run`: a Python file in the sandbox, whatever has to be built first.

use crate::cargo::{PROGRAMS, cargo, watch};
use crate::runtime;
use anyhow::{Context, Result};
use std::env;
use std::path::Path;
use std::process::{Command, ExitCode};

pub(crate) fn run(repository: &Path, arguments: &[String]) -> Result<ExitCode> {
    if !runtime::is_current(repository)? {
        eprintln!("Building the Python runtime first; this is done once.");
        runtime::build(repository)?;
        eprintln!("Compiling eryx with it.");
        watch(cargo(repository).args(PROGRAMS))?;
    }
    // Relative paths are meant from where the user stands.
    let program = env::current_exe()?.with_file_name(format!("eryx{}", env::consts::EXE_SUFFIX));
    let status = Command::new(&program)
        .arg("run")
        .args(arguments)
        .status()
        .with_context(|| format!("cannot start {}", program.display()))?;
    Ok(status
        .code()
        .and_then(|code| u8::try_from(code).ok())
        .map_or(ExitCode::FAILURE, ExitCode::from))
}
