//! One column of the comparison that `cargo xtask bench` prints: measures and
//! prints JSON with the keys that all columns share.
//!
//! Arguments: the native Python, the folder with the programs, the `eryx`
//! program.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a bench fails by panicking")]

use eryx::{ResourceLimits, Sandbox};
use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::sync::Barrier;
use std::time::{Duration, Instant};
use tokio::runtime::{Builder, Runtime};

/// One figure: its median and how many runs it comes from.
struct Figure {
    median: f64,
    least: f64,
    runs: usize,
}

impl Figure {
    fn of(mut values: Vec<f64>) -> Self {
        values.sort_by(f64::total_cmp);
        Self { median: values[values.len() / 2], least: values[0], runs: values.len() }
    }
}

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_time().build().unwrap()
}

fn milliseconds(work: impl FnOnce()) -> f64 {
    let start = Instant::now();
    work();
    start.elapsed().as_secs_f64() * 1e3
}

fn run(runtime: &Runtime, code: &str) -> String {
    let limits = ResourceLimits::default().with_timeout(Duration::from_mins(2));
    let sandbox = Sandbox::embedded().limits(limits).build().unwrap();
    runtime.block_on(sandbox.execute(code)).unwrap().stdout.into_string()
}

fn cold(program: &str) -> Figure {
    let once = || {
        milliseconds(|| {
            let output = Command::new(program).args(["run", "-c", "print('hi')"]).output().unwrap();
            assert_eq!(output.stdout, b"hi\n");
        })
    };
    once();
    Figure::of((0..20).map(|_| once()).collect())
}

fn fresh(code: &str) -> Figure {
    let runtime = runtime();
    for _ in 0..50 {
        run(&runtime, code);
    }
    Figure::of((0..2000).map(|_| milliseconds(|| drop(run(&runtime, code)))).collect())
}

/// Fresh interpreters a second from `threads` threads.
fn rate(threads: u32) -> f64 {
    const SECONDS: f64 = 1.0;
    let barrier = Barrier::new(threads.try_into().unwrap());
    let counts: u32 = std::thread::scope(|scope| {
        let running: Vec<_> = (0..threads)
            .map(|_| {
                scope.spawn(|| {
                    let runtime = runtime();
                    barrier.wait();
                    let start = Instant::now();
                    let mut count = 0;
                    while start.elapsed().as_secs_f64() < SECONDS {
                        run(&runtime, "x=1");
                        count += 1;
                    }
                    count
                })
            })
            .collect();
        running.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    f64::from(counts) / SECONDS
}

/// Time in the sandbox over native time, each pair taken back to back.
fn ratio(python: &str, file: &Path) -> Figure {
    const TIMED: &str = "import sys, time\n\
        code = compile(open(sys.argv[1]).read(), sys.argv[1], 'exec')\n\
        start = time.perf_counter()\nexec(code, {'__name__': '__main__'})\n\
        print((time.perf_counter() - start) * 1e3, file=sys.stderr)";
    let code = std::fs::read_to_string(file).unwrap();
    let runtime = runtime();
    run(&runtime, "x=1");
    let pair = || {
        let native = Command::new(python).args(["-I", "-c", TIMED]).arg(file).output().unwrap();
        let native_ms: f64 = String::from_utf8(native.stderr).unwrap().trim().parse().unwrap();
        let mut printed = String::new();
        let ms = milliseconds(|| printed = run(&runtime, &code));
        assert_eq!(printed.as_bytes(), native.stdout);
        ms / native_ms
    };
    Figure::of((0..5).map(|_| pair()).collect())
}

fn main() {
    let arguments: Vec<String> =
        std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    let [python, programs, eryx] = &arguments[..] else {
        // Cargo runs every bench: without arguments there is nothing to compare.
        return;
    };
    let mut figures = BTreeMap::new();
    figures.insert("cold_start_ms".to_owned(), cold(eryx));
    figures.insert("fresh_total_ms".to_owned(), fresh("x=1"));
    let (one, two): (Vec<f64>, Vec<f64>) = (0..3).map(|_| (rate(1), rate(2))).unzip();
    let scaling = one.iter().zip(&two).map(|(one, two)| two / one).collect();
    figures.insert("fresh_per_s_1".to_owned(), Figure::of(one));
    figures.insert("fresh_per_s_2".to_owned(), Figure::of(two));
    figures.insert("scaling_2_over_1".to_owned(), Figure::of(scaling));
    let mut files: Vec<_> =
        std::fs::read_dir(programs).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    for file in files.iter().filter(|file| file.extension().is_some_and(|e| e == "py")) {
        let name = file.file_stem().unwrap().to_string_lossy();
        figures.insert(format!("cpu_{name}_x"), ratio(python, file));
    }
    print(&figures);
}

fn print(figures: &BTreeMap<String, Figure>) {
    let rows: Vec<String> = figures
        .iter()
        .map(|(key, figure)| {
            let Figure { median, least, runs } = figure;
            format!("{key:?}: {{\"median\": {median}, \"min\": {least}, \"n\": {runs}}}")
        })
        .collect();
    println!("{{\"peer\": \"eryx\", \"metrics\": {{{}}}}}", rows.join(", "));
}
