//! `cargo xtask conformance`: CPython's own test suite inside the sandbox.

use crate::cargo::{PROGRAMS, cargo, watch};
use crate::runtime;
use anyhow::{Context, Result, bail};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;

type Modules = BTreeMap<String, Module>;

/// What is expected of a module's tests.
#[derive(Deserialize)]
struct Module {
    /// So many pass at least: a module whose tests all skip themselves is not tested.
    passes: u64,
    /// Patterns of tests that are left out, and why.
    #[serde(flatten)]
    left_out: BTreeMap<String, String>,
}

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

/// What `cargo xtask ci` runs of it: asyncio, all of files, all of the network, and what
/// the build changes in the interpreter.
const IN_CI: [&str; 33] = [
    "test_asyncio",
    "test_call",
    "test_compare",
    "test_fileio",
    "test_frame",
    "test_generators",
    "test_glob",
    "test_http",
    "test_int",
    "test_io",
    "test_ipaddress",
    "test_long",
    "test_memoryview",
    "test_netrc",
    "test_os",
    "test_pathlib",
    "test_posixpath",
    "test_robotparser",
    "test_select",
    "test_shutil",
    "test_smtplib",
    "test_socket",
    "test_sqlite3",
    "test_ssl",
    "test_str",
    "test_sys_settrace",
    "test_tarfile",
    "test_tempfile",
    "test_tracemalloc",
    "test_urllib",
    "test_urlparse",
    "test_xmlrpc",
    "test_zipfile",
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
    let volume = repository.join(VOLUME);
    let mut runs = Vec::new();
    for (name, module) in &modules {
        if wanted.is_empty() || wanted.iter().any(|part| name.contains(part.as_str())) {
            runs.push(Run { name, module, volume: None });
            if name.contains("sqlite3") {
                runs.push(Run { name, module, volume: Some(volume.join(name)) });
            }
        }
    }
    let failed = side_by_side(&suite, &runs)?;
    if failed > 0 {
        bail!("{failed} tests failed");
    }
    Ok(())
}

/// A module, and the folder that its files are in if they are not in memory.
struct Run<'a> {
    name: &'a str,
    module: &'a Module,
    volume: Option<PathBuf>,
}

/// Does as many at a time as there are cores; returns how many tests failed.
fn side_by_side(suite: &Suite, runs: &[Run<'_>]) -> Result<usize> {
    let next = AtomicUsize::new(0);
    let (sender, results) = mpsc::channel();
    let take = || {
        let number = next.fetch_add(1, Ordering::Relaxed);
        runs.get(number).map(|run| (number, run))
    };
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, NonZero::get) {
            let sender = sender.clone();
            let take = &take;
            scope.spawn(move || {
                while let Some((number, run)) = take() {
                    if sender.send((number, suite.run(run))).is_err() {
                        return;
                    }
                }
            });
        }
        drop(sender);
        let failed = print_in_order(&results, runs.len());
        // Where one could not be run, the rest is of no use.
        next.store(runs.len(), Ordering::Relaxed);
        failed
    })
}

#[expect(clippy::print_stdout, reason = "the list is what was asked for")]
fn print_in_order(
    results: &mpsc::Receiver<(usize, Result<(String, usize)>)>,
    count: usize,
) -> Result<usize> {
    let (mut done, mut failed) = (BTreeMap::new(), 0);
    for number in 0..count {
        let (told, failures) = loop {
            if let Some(result) = done.remove(&number) {
                break result;
            }
            let (other, result) = results.recv().context("a thread ended early")?;
            done.insert(other, result?);
        };
        print!("{told}");
        failed += failures;
    }
    Ok(failed)
}

struct Suite {
    program: PathBuf,
    runner: PathBuf,
    tests: PathBuf,
    detail: Detail,
}

impl Suite {
    /// Runs a module's tests; tells what came of them, and how many failed.
    fn run(&self, run: &Run<'_>) -> Result<(String, usize)> {
        let Run { name, module: Module { passes, left_out }, volume } = run;
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
            .arg(name)
            .args(left_out.keys())
            .output()
            .with_context(|| format!("cannot start {}", self.program.display()))?;
        let text = String::from_utf8_lossy(&output.stdout);
        let last = text.lines().last().unwrap_or_default();
        let Ok(report) = serde_json::from_str::<Report>(last) else {
            let end = tail(&output.stderr);
            return Ok((format!("{name}{place}: did not come to its end\n{end}\n"), 1));
        };
        let Report { passed, omitted, failed, skipped } = report;
        let mut told = format!(
            "{name}{place}: {passed} passed, {} failed, {} skipped, {omitted} left out\n",
            failed.len(),
            skipped.len()
        );
        if self.detail == Detail::Reasons {
            for (test, reason) in &skipped {
                writeln!(told, "    skipped {test}: {reason}")?;
            }
            for (pattern, reason) in left_out {
                writeln!(told, "    left out {pattern}: {reason}")?;
            }
        }
        for (test, traceback) in &failed {
            writeln!(told, "    FAILED {test}\n{traceback}")?;
        }
        let too_few = passed < *passes;
        if too_few {
            writeln!(told, "    FAILED: {passes} pass at least, says modules.toml")?;
        }
        Ok((told, failed.len() + usize::from(too_few)))
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
