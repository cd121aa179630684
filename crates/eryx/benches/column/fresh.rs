//! Fresh interpreters: of a whole process, of a warm one, of two threads.

use crate::figure::{Figure, Figures, milliseconds};
use crate::{run, runtime};
use std::process::Command;
use std::sync::Barrier;
use std::time::Instant;

pub(crate) fn measure(figures: &mut Figures, eryx: &str) {
    figures.insert("cold_start_ms".to_owned(), cold(eryx));
    let runtime = runtime();
    for _ in 0..50 {
        run(&runtime, "x=1");
    }
    let fresh = Figure::repeat(2000, || milliseconds(|| drop(run(&runtime, "x=1"))));
    figures.insert("fresh_total_ms".to_owned(), fresh);
    let (one, two): (Vec<f64>, Vec<f64>) = (0..3).map(|_| (rate(1), rate(2))).unzip();
    let scaling = one.iter().zip(&two).map(|(one, two)| two / one).collect();
    figures.insert("fresh_per_s_1".to_owned(), Figure::of(one));
    figures.insert("fresh_per_s_2".to_owned(), Figure::of(two));
    figures.insert("scaling_2_over_1".to_owned(), Figure::of(scaling));
}

fn cold(program: &str) -> Figure {
    Figure::repeat(20, || {
        milliseconds(|| {
            let output = Command::new(program).args(["run", "-c", "print('hi')"]).output().unwrap();
            assert_eq!(output.stdout, b"hi\n");
        })
    })
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
