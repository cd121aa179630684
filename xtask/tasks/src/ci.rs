//! `cargo xtask ci`: everything that must pass before a change lands.

use crate::cargo::{cargo, watch};
use crate::command::output;
use crate::conformance;
use crate::progress::timed;
use crate::runtime;
use crate::servers;
use anyhow::Result;
use std::path::Path;
use std::process::{Command, Stdio};

/// One thing that is checked.
type Check = fn(&Path) -> Result<()>;

pub(crate) fn ci(repository: &Path) -> Result<()> {
    let steps: [(&str, Check); 9] = [
        ("formatting", format),
        ("servers for the tests", fetch_servers),
        ("the guest runtime", build),
        ("the guest library's own tests", guest),
        ("lints", lint),
        ("builds with fewer features", lint_fewer_features),
        ("documentation", document),
        ("tests", test),
        ("CPython's own tests of asyncio, files and the network", conformance::in_ci),
    ];
    for (name, step) in steps {
        eprintln!("== {name}");
        let (result, took) = timed(|| step(repository));
        result?;
        eprintln!("== {name}: {:.0} s", took.as_secs_f64());
    }
    Ok(())
}

fn format(repository: &Path) -> Result<()> {
    watch(cargo(repository).args(["fmt", "--all", "--check"]))
}

/// Before all that takes minutes, as it is what can be missing.
fn fetch_servers(_: &Path) -> Result<()> {
    servers::fetch().map(drop)
}

fn build(repository: &Path) -> Result<()> {
    runtime::build(repository).map(drop)
}

fn guest(repository: &Path) -> Result<()> {
    let python = runtime::native_python(repository)?;
    if output(Command::new(&python).args(["-c", "import sqlite3"])).is_err() {
        eprintln!("   this machine has no headers of SQLite: the native Python is without sqlite3");
    }
    watch(
        Command::new(python)
            .current_dir(repository.join("python-runtime"))
            .args(["-B", "-m", "unittest", "discover", "-s", "tests"]),
    )
}

fn lint(repository: &Path) -> Result<()> {
    clippy(repository, &["--workspace", "--all-targets"])
}

/// The facade as one depends on it who wants less: in a build of the whole workspace it
/// has all its features.
fn lint_fewer_features(repository: &Path) -> Result<()> {
    for features in ["", "vfs", "net", "embedded,macros,packages"] {
        let facade = ["--package", "eryx", "--lib", "--no-default-features", "--features"];
        clippy(repository, &[&facade[..], &[features]].concat())?;
    }
    Ok(())
}

fn clippy(repository: &Path, what: &[&str]) -> Result<()> {
    let checks = ["--locked", "--", "-D", "warnings"];
    watch(cargo(repository).arg("clippy").args(what).args(checks))
}

fn document(repository: &Path) -> Result<()> {
    watch(cargo(repository).env("RUSTDOCFLAGS", "-D warnings").args([
        "doc",
        "--workspace",
        "--no-deps",
        "--locked",
    ]))?;
    // The whole workspace, as everywhere here: with fewer packages dependencies
    // would have fewer features and be compiled once more.
    watch(cargo(repository).args(["test", "--doc", "--workspace", "--locked"]))
}

/// With nextest where it is installed, otherwise with Cargo alone.
fn test(repository: &Path) -> Result<()> {
    let probe = cargo(repository)
        .args(["nextest", "--version"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    let mut command = cargo(repository);
    if probe.is_ok_and(|status| status.success()) {
        command.args(["nextest", "run", "--workspace", "--locked", "--no-fail-fast"]);
    } else {
        command.args([
            "test",
            "--workspace",
            "--locked",
            "--no-fail-fast",
            "--lib",
            "--bins",
            "--tests",
            "--examples",
        ]);
    }
    if let Some(folder) = servers::fetch()? {
        command.env(servers::VARIABLE, folder);
    }
    // A test that finds no server or no wheels fails.
    watch(command.env("ERYX_TEST_REQUIRE", "1"))
}
