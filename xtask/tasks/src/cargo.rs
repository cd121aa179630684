//! Calls Cargo, with the user watching.

use anyhow::{Context, Result, bail};
use std::env;
use std::path::Path;
use std::process::Command;

/// The programs of the workspace. With a test, which needs little: dependencies then
/// have the features that tests need, and Cargo compiles wasmtime once for all.
pub(crate) const PROGRAMS: &[&str] =
    &["build", "--workspace", "--locked", "--bins", "--test", "fuzz"];

/// A `cargo` command in the repository.
pub(crate) fn cargo(repository: &Path) -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(repository);
    command
}

/// Runs a command to its end; not succeeding is an error.
pub(crate) fn watch(command: &mut Command) -> Result<()> {
    let shown = format!("{command:?}").replace('"', "");
    let status = command.status().with_context(|| format!("cannot start {shown}"))?;
    if !status.success() {
        bail!("{shown} failed ({status})");
    }
    Ok(())
}
