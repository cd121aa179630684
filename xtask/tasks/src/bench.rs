//! `cargo xtask bench`: our figures beside those of the other sandboxes, taken
//! in one run, as a table and a plot.

use crate::cargo::{PROGRAMS, cargo, watch};
use crate::command::output;
use crate::runtime;
use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What is compared, by the keys that all columns share.
const ROWS: &[(&str, &str)] = &[
    ("cold_start_ms", "cold start of a process, ms"),
    ("first_start_ms", "first start on a machine, with compiling to native code, ms"),
    ("compiled_mb", "the runtime as native code, MB"),
    ("fresh_total_ms", "fresh interpreter: create + x=1 + drop, ms"),
    ("fresh_six_lines_ms", "fresh interpreter: six lines with json (at most 0.6), ms"),
    ("fresh_per_s_1", "fresh interpreters a second, 1 thread"),
    ("fresh_per_s_2", "fresh interpreters a second, 2 threads"),
    ("scaling_2_over_1", "2 threads over 1"),
    ("session_open_ms", "session: open + first run, ms"),
    ("first_open_ms", "session: open + first run, the first one in its process, ms"),
    ("first_open_warm_ms", "session: the same in a process that has warmed up, ms"),
    ("session_ready_ms", "session that a pool has ready: take + first run, ms"),
    ("session_exec_ms", "session: x += 1, ms"),
    ("session_exec_new_text_ms", "session: x += N, each time another text, ms"),
    ("session_exec_among_2000_ms", "session: x += 1 in one of 2,000, again and again, ms"),
    ("session_exec_in_turn_ms", "session: x += 1 in each of 2,000 in turn, ms"),
    ("callback_us", "one callback of 1000, µs"),
    ("gather100_ms", "100 callbacks of 10 ms at once, by tokio's timer (its 10 ms are 11), ms"),
    ("gather100_exact_ms", "100 callbacks of 10 ms at once, exactly (at most 13), ms"),
    ("gather10000_ms", "10,000 callbacks of 10 ms at once, 1,000 under way, ms"),
    ("stream_mb_per_s", "output streamed, MB a second"),
    ("snap_10vars_ms", "state of 10 variables: save, ms"),
    ("snap_10vars_new_ms", "state of 10 variables: save, the first one in its session, ms"),
    ("first_save_ms", "state of 10 variables: save, the first one in its process, ms"),
    ("restore_10vars_ms", "state of 10 variables: restore in a new session, ms"),
    ("first_restore_ms", "state of 10 variables: restore, the first one in its process, ms"),
    ("snap_10vars_kb", "state of 10 variables, KiB"),
    ("snap_1mb_ms", "state of 131,072 ints: save, ms"),
    ("snap_1mb_first_ms", "state of 131,072 ints: save, the first one, ms"),
    ("restore_1mb_ms", "state of 131,072 ints: restore in a new session, ms"),
    ("restore_1mb_first_ms", "state of 131,072 ints: restore, the first one, ms"),
    ("image_x1_ms", "image after x=1: capture, ms"),
    ("image_x1_kb", "image after x=1, KiB"),
    ("image_start_x1_ms", "image after x=1: start from it and run, ms"),
    ("image_1mb_ms", "image with 131,072 ints: capture, ms"),
    ("image_1mb_kb", "image with 131,072 ints, KiB"),
    ("image_start_1mb_ms", "image with 131,072 ints: start from it and run, ms"),
    ("fork_x1_ms", "fork of a session after x=1, ms"),
    ("fork_10mb_ms", "fork of a session with 10 MB, ms"),
    ("mem_each_pss_mb", "each further session, PSS, MiB"),
    ("mem_100_pss_mb", "100 sessions, PSS, MiB"),
    ("mem_2000_pss_mb", "2,000 sessions, PSS, MiB"),
    ("import_asyncio_ms", "import asyncio, ms"),
    ("import_decimal_ms", "import decimal, ms"),
    ("file_1mb_ms", "write and read 1 MB, ms"),
    ("file_1000_ms", "create 1000 files, ms"),
    ("cpu_fib_x", "fib, × native"),
    ("cpu_nbody_x", "nbody, × native"),
    ("cpu_strdict_x", "strings, × native"),
    ("cpu_jsonloop_x", "json, × native"),
    ("cpu_regexloop_x", "regex, × native"),
    ("cpu_sha256_x", "sha256, × native"),
];

/// The groups of the peers' own runner that hold these keys.
const GROUPS: &str = "cold,fresh,session,callback,snapshot,cpu,memory,concurrency,imports,files";

/// Where the others' figures of this run are kept.
const RESULTS: &str = "target/bench";

#[derive(Default, Deserialize)]
struct Column {
    #[serde(default)]
    peer: String,
    #[serde(default)]
    metrics: BTreeMap<String, Figure>,
}

impl Column {
    /// The runner counts sessions; what one more takes is its table's.
    fn add_memory_of_one(&mut self) {
        for (many, few) in [(100_u8, 10_u8), (10, 1)] {
            let pss = |count| Some(self.metrics.get(&format!("mem_{count}_pss_mb"))?.median);
            if let (Some(much), Some(little)) = (pss(many), pss(few)) {
                let median = (much - little) / f64::from(many - few);
                self.metrics.insert("mem_each_pss_mb".to_owned(), Figure { median, n: 1 });
                return;
            }
        }
    }
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
    watch(cargo(repository).args(PROGRAMS).arg("--release"))?;
    let mut columns = vec![ours(repository, &reference)?];
    if let Some(peers) = peers {
        columns.extend(theirs(repository, peers, &reference)?);
    }
    print(&columns);
    Ok(())
}

fn ours(repository: &Path, reference: &Path) -> Result<Column> {
    eprintln!("Measuring eryx …");
    let text = output(
        cargo(repository)
            .args(["bench", "--quiet", "--workspace", "--bench", "column", "--"])
            .arg(reference)
            .arg(repository.join("benches/programs"))
            .arg(repository.join("target/release/eryx")),
    )?;
    let mut all = Column::default();
    for line in text.lines().filter(|line| line.starts_with('{')) {
        let part: Column = serde_json::from_str(line).context("cannot read the bench's figures")?;
        all.peer = part.peer;
        all.metrics.extend(part.metrics);
    }
    ensure!(!all.metrics.is_empty(), "the bench printed nothing");
    Ok(all)
}

fn theirs(repository: &Path, peers: &Peers, reference: &Path) -> Result<Vec<Column>> {
    eprintln!("Measuring the others; this takes some ten minutes …");
    // Emptied first: the runner adds to what it finds, and no figure may come
    // from another day.
    let results = repository.join(RESULTS);
    if results.exists() {
        fs::remove_dir_all(&results)
            .with_context(|| format!("cannot empty {}", results.display()))?;
    }
    fs::create_dir_all(&results).with_context(|| format!("cannot create {}", results.display()))?;
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
        if let Ok(mut column) = serde_json::from_str::<Column>(&text)
            && !column.metrics.is_empty()
        {
            column.add_memory_of_one();
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
