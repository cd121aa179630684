//! Fresh interpreters: of a whole process, of a warm one, of two threads.

use crate::figure::{Figure, Figures, milliseconds};
use crate::{run, runtime};
use std::fs;
use std::process::Command;
use std::sync::Barrier;
use std::time::Instant;

/// What a short program that a model wrote does.
const SIX_LINES: &str = r#"
import json
data = json.loads('{"items": [{"n": 1, "p": 2.5}, {"n": 3, "p": 4.0}]}')
total = sum(item["n"] * item["p"] for item in data["items"])
names = [f"item {index}" for index, _ in enumerate(data["items"])]
print(json.dumps({"total": total, "names": names}))
"#;

pub(crate) fn measure(figures: &mut Figures, eryx: &str) {
    first(figures, eryx);
    figures.insert("cold_start_ms".to_owned(), cold(eryx));
    let runtime = runtime();
    for _ in 0..50 {
        run(&runtime, "x=1");
    }
    let fresh = Figure::repeat(2000, || milliseconds(|| drop(run(&runtime, "x=1"))));
    figures.insert("fresh_total_ms".to_owned(), fresh);
    let six_lines = Figure::repeat(500, || milliseconds(|| drop(run(&runtime, SIX_LINES))));
    figures.insert("fresh_six_lines_ms".to_owned(), six_lines);
    let (one, two): (Vec<f64>, Vec<f64>) = (0..3).map(|_| (rate(1), rate(2))).unzip();
    let scaling = one.iter().zip(&two).map(|(one, two)| two / one).collect();
    figures.insert("fresh_per_s_1".to_owned(), Figure::of(one));
    figures.insert("fresh_per_s_2".to_owned(), Figure::of(two));
    figures.insert("scaling_2_over_1".to_owned(), Figure::of(scaling));
}

fn cold(program: &str) -> Figure {
    Figure::repeat(20, || milliseconds(|| start(&mut Command::new(program))))
}

fn start(program: &mut Command) {
    let output = program.args(["run", "-c", "print('hi')"]).output().unwrap();
    assert_eq!(output.stdout, b"hi\n");
}

/// With an empty cache: the runtime is compiled first.
fn first(figures: &mut Figures, program: &str) {
    let mut size = 0;
    let mut started = || {
        let cache = tempfile::tempdir().unwrap();
        let took =
            milliseconds(|| start(Command::new(program).env("ERYX_CACHE_DIR", cache.path())));
        let files = fs::read_dir(cache.path().join("compiled")).unwrap();
        size = files.map(|file| file.unwrap().metadata().unwrap().len()).sum();
        took
    };
    let took = Figure::of((0..3).map(|_| started()).collect());
    figures.insert("first_start_ms".to_owned(), took);
    let kilobytes = u32::try_from(size / 1000).unwrap();
    figures.insert("compiled_mb".to_owned(), Figure::once(f64::from(kilobytes) / 1e3));
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
