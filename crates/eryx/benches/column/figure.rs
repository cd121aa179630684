//! A figure and how it is taken.

use std::collections::BTreeMap;
use std::time::Instant;

/// The figures of one column by the keys that all columns share.
pub(crate) type Figures = BTreeMap<String, Figure>;

/// One figure: its median and how many runs it comes from.
pub(crate) struct Figure {
    pub(crate) median: f64,
    pub(crate) least: f64,
    pub(crate) runs: usize,
}

impl Figure {
    pub(crate) fn of(mut values: Vec<f64>) -> Self {
        values.sort_by(f64::total_cmp);
        Self { median: values[values.len() / 2], least: values[0], runs: values.len() }
    }

    /// Something that was counted once.
    pub(crate) fn once(value: f64) -> Self {
        Self::of(vec![value])
    }

    /// Milliseconds of each of `runs`, after one that does not count.
    pub(crate) fn repeat(runs: usize, mut once: impl FnMut() -> f64) -> Self {
        once();
        Self::of((0..runs).map(|_| once()).collect())
    }
}

pub(crate) fn milliseconds<T>(work: impl FnOnce() -> T) -> f64 {
    timed(work).0
}

/// Milliseconds, and what came of the work: its drop does not count.
pub(crate) fn timed<T>(work: impl FnOnce() -> T) -> (f64, T) {
    let start = Instant::now();
    let made = work();
    (start.elapsed().as_secs_f64() * 1e3, made)
}

#[expect(clippy::print_stdout, reason = "this is what the bench is for")]
pub(crate) fn print(figures: &Figures) {
    let rows: Vec<String> = figures
        .iter()
        .map(|(key, figure)| {
            let Figure { median, least, runs } = figure;
            format!("{key:?}: {{\"median\": {median}, \"min\": {least}, \"n\": {runs}}}")
        })
        .collect();
    println!("{{\"peer\": \"eryx\", \"metrics\": {{{}}}}}", rows.join(", "));
}
