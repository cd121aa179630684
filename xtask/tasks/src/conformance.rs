//! `cargo xtask conformance`: CPython's own test suite inside the sandbox.

use crate::cargo::{PROGRAMS, cargo, watch};
use crate::runtime;
use anyhow::{Context, Result, bail};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Patterns of tests that are left out, and why, by module.
type Modules = BTreeMap<String, BTreeMap<String, String>>;

/// Where a test suite is mounted.
const GUEST: &str = "/usr/lib/python3.13/site-packages/test";

/// A folder of the host for tests that are run with their files in one, too.
const VOLUME: &str = "target/conformance";

#[derive(Deserialize)]
struct Report {
    passed: u64,
    omitted: u64,
    failed: BTreeMap<String, String>,
    skipped: BTreeMap<String, String>,
}

/// What `cargo xtask ci` runs of it: asyncio and files, in about a minute.
const IN_CI: [&str; 9] = [
    "test_asyncio",
    "test_fileio",
    "test_glob",
    "test_io",
    "test_os",
    "test_pathlib",
    "test_posixpath",
    "test_shutil",
    "test_tempfile",
];

/// How much is printed of what did not run.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Detail {
    Counts,
    Reasons,
}

pub(crate) fn conformance(repository: &Path, wanted: &[String]) -> Result<()> {
    runtime::build(repository)?;
    run_modules(repository, wanted, Detail::Reasons)
}

/// The part that costs little, with the runtime that is there.
pub(crate) fn in_ci(repository: &Path) -> Result<()> {
    run_modules(repository, &IN_CI.map(str::to_owned), Detail::Counts)
}

fn run_modules(repository: &Path, wanted: &[String], detail: Detail) -> Result<()> {
    watch(cargo(repository).args(PROGRAMS).arg("--quiet"))?;
    let suite = Suite {
        program: repository.join(format!("target/debug/eryx{}", std::env::consts::EXE_SUFFIX)),
        runner: repository.join("tests/conformance/runner.py"),
        tests: runtime::python_source(repository)?.join("Lib/test"),
        detail,
    };
    let path = repository.join("tests/conformance/modules.toml");
    let text =
        fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let modules: Modules =
        toml::from_str(&text).with_context(|| format!("cannot read {}", path.display()))?;
    let mut failed = 0;
    for (module, left_out) in &modules {
        if wanted.is_empty() || wanted.iter().any(|name| module.contains(name.as_str())) {
            failed += suite.run(module, left_out, None)?;
            if module.contains("sqlite3") {
                failed += suite.run(module, left_out, Some(&repository.join(VOLUME)))?;
            }
        }
    }
    if failed > 0 {
        bail!("{failed} tests failed");
    }
    Ok(())
}

struct Suite {
    program: PathBuf,
    runner: PathBuf,
    tests: PathBuf,
    detail: Detail,
}

impl Suite {
    /// Runs a module's tests and prints what came of them; returns how many
    /// failed.
    #[expect(clippy::print_stdout, reason = "the list is what was asked for")]
    fn run(
        &self,
        module: &str,
        left_out: &BTreeMap<String, String>,
        volume: Option<&Path>,
    ) -> Result<usize> {
        let mut command = Command::new(&self.program);
        command.arg("run");
        let mut place = "";
        if let Some(volume) = volume {
            place = ", files on a volume";
            for guest in ["data", "tmp"] {
                let host = volume.join(guest);
                empty(&host)?;
                command.arg("-v").arg(format!("{}:/{guest}", host.display()));
            }
        }
        let output = command
            .args(["--timeout", "600", "--memory", "1024", "--output", "64"])
            // Tests take for granted that the machine can be reached by its name.
            .args(["--allow-host", "localhost:*", "--allow-host", "127.0.0.1:*", "-v"])
            .arg(format!("{}:{GUEST}:ro", self.tests.display()))
            .arg(&self.runner)
            .arg(module)
            .args(left_out.keys())
            .output()
            .with_context(|| format!("cannot start {}", self.program.display()))?;
        let text = String::from_utf8_lossy(&output.stdout);
        let last = text.lines().last().unwrap_or_default();
        let Ok(report) = serde_json::from_str::<Report>(last) else {
            println!("{module}{place}: did not come to its end\n{}", tail(&output.stderr));
            return Ok(1);
        };
        let Report { passed, omitted, failed, skipped } = report;
        println!(
            "{module}{place}: {passed} passed, {} failed, {} skipped, {omitted} left out",
            failed.len(),
            skipped.len()
        );
        if self.detail == Detail::Reasons {
            for (test, reason) in &skipped {
                println!("    skipped {test}: {reason}");
            }
            for (pattern, reason) in left_out {
                println!("    left out {pattern}: {reason}");
            }
        }
        for (test, traceback) in &failed {
            println!("    FAILED {test}\n{traceback}");
        }
        Ok(failed.len())
    }
}

fn empty(folder: &Path) -> Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder).with_context(|| format!("cannot empty {}", folder.display()))?;
    }
    fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))
}

fn tail(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(20)..].join("\n")
}
