//! What a developer of eryx runs: `cargo xtask --help` lists it.
#![expect(clippy::print_stderr, reason = "it is a command-line program")]
#![cfg_attr(test, expect(clippy::unwrap_used, reason = "a test fails by panicking"))]
#![expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the figures are for progress bars"
)]

mod bench;
mod cache;
mod cargo;
mod ci;
mod command;
mod conformance;
mod failure;
mod key;
mod progress;
mod run;
mod runtime;
mod servers;
mod workshop;

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};
use failure::Failure;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

#[derive(Parser)]
#[command(
    name = "cargo xtask",
    bin_name = "cargo xtask",
    about = "Builds the guest runtime and checks the project",
    after_help = failure::STATUSES
)]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Compile CPython and the shim to the component that eryx runs.
    BuildRuntime {
        /// Build twice in empty folders and compare the results byte for byte.
        #[arg(long)]
        verify: bool,
    },
    /// Run a Python file in the sandbox, building first what is missing.
    Run {
        /// What `eryx run` takes: options, then a file, `-c` and code, or `-`.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, required = true)]
        arguments: Vec<String>,
    },
    /// Measure, beside the other sandboxes if they are installed.
    Bench {
        /// The native Python that ratios are taken against.
        #[arg(long, value_name = "PYTHON")]
        reference: Option<PathBuf>,
        /// The folder with the peers' runner, `run_all.py`.
        #[arg(long, value_name = "FOLDER", requires = "peers_dir")]
        peers_runner: Option<PathBuf>,
        /// The folder where the runner's `install.sh` put the peers.
        #[arg(long, value_name = "FOLDER", requires = "peers_runner")]
        peers_dir: Option<PathBuf>,
    },
    /// Run CPython's own tests inside the sandbox and list what came of them.
    Conformance {
        /// Parts of the names of modules; all of them if none is named.
        modules: Vec<String>,
    },
    /// Check formatting, lints and documentation, and run all tests.
    Ci,
    /// Remove from the cache what only other versions of the runtime were built with.
    Clean,
}

fn main() -> ExitCode {
    match perform(Arguments::parse().task) {
        Ok(status) => status,
        Err(error) => {
            eprintln!("error: {error}");
            for cause in error.chain().skip(1) {
                eprintln!("  because: {cause}");
            }
            Failure::of(&error).map_or(ExitCode::FAILURE, |failure| failure.status().into())
        }
    }
}

fn perform(task: Task) -> Result<ExitCode> {
    let repository = repository()?;
    match task {
        Task::BuildRuntime { verify: true } => runtime::verify(&repository)?,
        Task::BuildRuntime { verify: false } => runtime::build(&repository).map(drop)?,
        Task::Run { arguments } => return run::run(&repository, &arguments),
        Task::Bench { reference, peers_runner, peers_dir } => {
            let peers = peers_runner.zip(peers_dir);
            let peers = peers.map(|(runner, installed)| bench::Peers { runner, installed });
            bench::bench(&repository, reference.as_deref(), peers.as_ref())?;
        }
        Task::Conformance { modules } => conformance::conformance(&repository, &modules)?,
        Task::Ci => ci::ci(&repository)?,
        Task::Clean => runtime::clean(&repository)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// The checkout that this program was compiled in.
fn repository() -> Result<PathBuf> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    Ok(here.ancestors().nth(2).context("the tasks are not inside the repository")?.to_owned())
}
