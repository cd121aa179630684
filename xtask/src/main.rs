//! `cargo xtask`: compiles the tasks, while Cargo shows how far it is, and starts
//! the one that was asked for. The tasks stand on wasmtime, which takes minutes
//! to compile; this program takes none.
#![expect(clippy::print_stderr, reason = "it is a command-line program")]

use std::env;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, ExitStatus};

fn main() -> ExitCode {
    match perform() {
        Ok(status) => status
            .code()
            .and_then(|code| u8::try_from(code).ok())
            .map_or(ExitCode::FAILURE, ExitCode::from),
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn perform() -> io::Result<ExitStatus> {
    let tasks = beside_this("tasks")?;
    let status = compile(&tasks)?;
    if status.success() {
        Command::new(tasks).args(env::args_os().skip(1)).status()
    } else {
        Ok(status)
    }
}

/// Where Cargo puts another program of this workspace.
fn beside_this(name: &str) -> io::Result<PathBuf> {
    Ok(env::current_exe()?.with_file_name(format!("{name}{}", env::consts::EXE_SUFFIX)))
}

fn compile(tasks: &Path) -> io::Result<ExitStatus> {
    let task = env::args().nth(1).unwrap_or_default();
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/..")).args(["build", "--locked"]);
    // Whoever needs the sandbox too compiles all at once. All with the features that
    // the whole workspace and its tests need, hence a test: Cargo would compile
    // wasmtime once more for any other choice.
    let all = matches!(task.as_str(), "run" | "ci");
    cargo.arg("--workspace");
    cargo.args(if all {
        &["--bins", "--test", "fuzz"][..]
    } else {
        &["--bin", "tasks", "--test", "help"]
    });
    if !tasks.exists() {
        eprintln!(
            "Compiling {} first: some five minutes on two cores, once.",
            if all { "eryx and its tools" } else { "the tools" }
        );
        if task == "run" {
            eprintln!("After that the Python runtime is built: another seven minutes, once.");
        }
    }
    cargo.status()
}
