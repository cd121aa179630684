//! Shows how far a long job is and how long it will still take.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::{IsTerminal, stderr};
use std::time::{Duration, Instant};

/// One job of several steps, each with the seconds it is expected to take on
/// two cores. A bar on a terminal, a line a step elsewhere.
pub(crate) struct Progress {
    bar: ProgressBar,
    terminal: bool,
    /// Expected milliseconds of all steps, and of those that are done.
    total: u64,
    done: u64,
    /// Time spent on steps that really ran, and what was expected of them.
    spent: Duration,
    expected: u64,
}

/// The step that is running.
pub(crate) struct Meter {
    bar: ProgressBar,
    from: u64,
    span: u64,
}

impl Progress {
    pub(crate) fn new(total_seconds: u64) -> Self {
        let terminal = stderr().is_terminal();
        let total = total_seconds * 1000;
        let target =
            if terminal { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(Some(total), target);
        if let Ok(style) = ProgressStyle::with_template(
            "{bar:24} {percent:>3} %  {msg}  ({elapsed} so far, about {eta} left)",
        ) {
            bar.set_style(style);
        }
        bar.enable_steady_tick(Duration::from_millis(250));
        Self { bar, terminal, total, done: 0, spent: Duration::ZERO, expected: 0 }
    }

    /// Announces a step that is about to run.
    pub(crate) fn start(&mut self, what: &str, seconds: u64) -> Meter {
        self.bar.set_message(what.to_owned());
        if !self.terminal {
            let left = self.time_left();
            eprintln!("  {what} … (about {} left in all)", in_words(left));
        }
        Meter { bar: self.bar.clone(), from: self.done, span: seconds * 1000 }
    }

    /// Reports a step that has run.
    pub(crate) fn finish(&mut self, what: &str, seconds: u64, took: Duration) {
        self.spent += took;
        self.expected += seconds * 1000;
        self.advance(seconds);
        self.say(&format!("  {what}: {:.1} s", took.as_secs_f64()));
    }

    /// Reports a step whose result was there already.
    pub(crate) fn skip(&mut self, what: &str, seconds: u64) {
        self.advance(seconds);
        self.say(&format!("  {what}: already built"));
    }

    /// Prints a line without disturbing the bar.
    pub(crate) fn say(&self, line: &str) {
        if self.terminal {
            self.bar.println(line);
        } else {
            eprintln!("{line}");
        }
    }

    pub(crate) fn end(self) {
        self.bar.finish_and_clear();
    }

    fn advance(&mut self, seconds: u64) {
        self.done = (self.done + seconds * 1000).min(self.total);
        self.bar.set_position(self.done);
    }

    /// What the remaining steps should take on a machine as fast as this one
    /// has been so far.
    fn time_left(&self) -> Duration {
        let left = Duration::from_millis(self.total - self.done);
        if self.expected == 0 {
            return left;
        }
        left.mul_f64(self.spent.as_secs_f64() * 1000.0 / self.expected as f64)
    }
}

impl Meter {
    /// A meter for part of the step.
    pub(crate) fn part(&self, from: f64, to: f64) -> Self {
        let span = self.span as f64;
        let from_here = self.from + (span * from) as u64;
        Self { bar: self.bar.clone(), from: from_here, span: (span * (to - from)) as u64 }
    }

    /// A meter that shows nothing.
    pub(crate) fn silent() -> Self {
        Self { bar: ProgressBar::hidden(), from: 0, span: 0 }
    }

    /// Moves the bar within the step; `part` goes from 0 to 1.
    pub(crate) fn set(&self, part: f64) {
        let part = part.clamp(0.0, 1.0);
        self.bar.set_position(self.from + (self.span as f64 * part) as u64);
    }
}

/// A duration as a person would say it.
pub(crate) fn in_words(time: Duration) -> String {
    let seconds = time.as_secs();
    if seconds < 90 { format!("{seconds} s") } else { format!("{} min", (seconds + 30) / 60) }
}

/// Times one closure.
pub(crate) fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let start = Instant::now();
    let value = work();
    (value, start.elapsed())
}
