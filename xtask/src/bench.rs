//! `cargo xtask bench`: our figures beside those of the other sandboxes, taken
//! in one run, as a table and a plot.

use crate::cargo::{cargo, watch};
use crate::command::output;
use crate::runtime;
use anyhow::{Context, Result};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What is compared, by the keys that all columns share.
const ROWS: &[(&str, &str)] = &[
    ("cold_start_ms", "cold start of a process, ms"),
    ("fresh_total_ms", "fresh interpreter: create + x=1 + drop, ms"),
    ("fresh_per_s_1", "fresh interpreters a second, 1 thread"),
    ("fresh_per_s_2", "fresh interpreters a second, 2 threads"),
    ("scaling_2_over_1", "2 threads over 1"),
    ("cpu_fib_x", "fib, × native"),
    ("cpu_nbody_x", "nbody, × native"),
    ("cpu_strdict_x", "strings, × native"),
    ("cpu_jsonloop_x", "json, × native"),
    ("cpu_regexloop_x", "regex, × native"),
    ("cpu_sha256_x", "sha256, × native"),
];

/// The groups of the peers' own runner that hold these keys.
const GROUPS: &str = "cold,fresh,concurrency,cpu";

#[derive(Deserialize)]
struct Column {
    #[serde(default)]
    peer: String,
    #[serde(default)]
    metrics: BTreeMap<String, Figure>,
}

#[derive(Deserialize)]
struct Figure {
    median: f64,
    #[serde(default)]
    n: u64,
}

/// Where the other sandboxes are: their runner and what it installed.
pub(crate) struct Peers {
    pub(crate) runner: PathBuf,
    pub(crate) installed: PathBuf,
}

pub(crate) fn bench(
    repository: &Path,
    reference: Option<&Path>,
    peers: Option<&Peers>,
) -> Result<()> {
    runtime::build(repository)?;
    // The native Python that helps to build is made for speed of building: a
    // fair reference is an optimised one.
    let reference = if let Some(path) = reference {
        path.to_owned()
    } else {
        eprintln!("No --reference: ratios are against the native Python built at -O1.");
        runtime::native_python(repository)?
    };
    watch(cargo(repository).args(["build", "--release", "--package", "eryx-cli"]))?;
    let mut columns = vec![ours(repository, &reference)?];
    if let Some(peers) = peers {
        columns.extend(theirs(peers, &reference)?);
    }
    print(&columns);
    Ok(())
}

fn ours(repository: &Path, reference: &Path) -> Result<Column> {
    eprintln!("Measuring eryx …");
    let text = output(
        cargo(repository)
            .args(["bench", "--quiet", "--package", "eryx", "--bench", "column", "--"])
            .arg(reference)
            .arg(repository.join("benches/programs"))
            .arg(repository.join("target/release/eryx")),
    )?;
    let line =
        text.lines().find(|line| line.starts_with('{')).context("the bench printed nothing")?;
    serde_json::from_str(line).context("cannot read the bench's figures")
}

fn theirs(peers: &Peers, reference: &Path) -> Result<Vec<Column>> {
    eprintln!("Measuring the others; this takes some minutes …");
    let results = peers.installed.join("results");
    watch(
        Command::new(reference)
            .arg(peers.runner.join("run_all.py"))
            .arg("--peers-dir")
            .arg(&peers.installed)
            .args(["--groups", GROUPS, "--quick", "--ref"])
            .arg(reference)
            .arg("--results")
            .arg(&results)
            .arg("--table")
            .arg(results.join("table.md")),
    )?;
    let mut columns = Vec::new();
    let mut files: Vec<_> = fs::read_dir(&results)?.flatten().map(|entry| entry.path()).collect();
    files.sort();
    for file in files {
        let text = fs::read_to_string(&file)?;
        if let Ok(column) = serde_json::from_str::<Column>(&text)
            && !column.metrics.is_empty()
        {
            columns.push(column);
        }
    }
    Ok(columns)
}

#[expect(clippy::print_stdout, reason = "the table is what was asked for")]
fn print(columns: &[Column]) {
    let names: Vec<&str> = columns.iter().map(|column| column.peer.as_str()).collect();
    println!("Medians; in brackets the number of runs.\n");
    println!("| | {} |", names.join(" | "));
    println!("|---|{}", "---|".repeat(columns.len()));
    for (key, title) in ROWS {
        let cells: Vec<String> = columns
            .iter()
            .map(|column| match column.metrics.get(*key) {
                Some(figure) => format!("{} [{}]", short(figure.median), figure.n),
                None => "-".to_owned(),
            })
            .collect();
        println!("| {title} | {} |", cells.join(" | "));
    }
    for (key, title) in ROWS {
        println!("\n{title}");
        plot(columns, key);
    }
}

/// A bar a column; lengths are logarithmic, since the figures differ a
/// thousandfold.
#[expect(clippy::print_stdout, reason = "the plot is what was asked for")]
fn plot(columns: &[Column], key: &str) {
    let figures: Vec<(&str, f64)> = columns
        .iter()
        .filter_map(|column| Some((column.peer.as_str(), column.metrics.get(key)?.median)))
        .collect();
    let least = figures.iter().map(|(_, value)| *value).fold(f64::INFINITY, f64::min);
    for (name, value) in figures {
        let length = 2 + (10.0 * (value / least).log10()) as usize;
        println!("  {name:28} {} {}", "█".repeat(length.min(60)), short(value));
    }
}

fn short(value: f64) -> String {
    match value {
        value if value >= 100.0 => format!("{value:.0}"),
        value if value >= 10.0 => format!("{value:.1}"),
        value if value >= 1.0 => format!("{value:.2}"),
        value => format!("{value:.3}"),
    }
}
