//! What a program does, told while it does it.

mod chrome;
mod tracer;

pub use chrome::chrome_trace;
pub(crate) use tracer::Tracer;

use std::sync::Arc;
use std::time::Duration;

/// What is traced of a run, and how much of it is kept.
///
/// Lines and calls of the library are left out; those of packages are told.
/// Tracing slows Python down, lines most: see `docs/decisions/0012-tracing.md`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
#[expect(clippy::struct_excessive_bools, reason = "each is a choice of its own")]
pub struct TraceOptions {
    /// Each line that is begun. On.
    pub lines: bool,
    /// Functions that are entered, left, suspended and resumed. On.
    pub calls: bool,
    /// Exceptions that are raised. On.
    pub exceptions: bool,
    /// Calls of callbacks, with how long they took. On.
    pub callbacks: bool,
    /// How many events are kept for [`ExecutionOutput::trace`]; later ones are
    /// dropped. 100,000.
    ///
    /// [`ExecutionOutput::trace`]: crate::ExecutionOutput::trace
    pub kept: usize,
}

impl Default for TraceOptions {
    fn default() -> Self {
        Self { lines: true, calls: true, exceptions: true, callbacks: true, kept: 100_000 }
    }
}

impl TraceOptions {
    /// Sets [`lines`](Self::lines).
    #[must_use]
    pub fn with_lines(mut self, lines: bool) -> Self {
        self.lines = lines;
        self
    }

    /// Sets [`kept`](Self::kept).
    #[must_use]
    pub fn with_kept(mut self, events: usize) -> Self {
        self.kept = events;
        self
    }
}

/// Something the program did.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct TraceEvent {
    /// Time since the start of the run.
    pub time: Duration,
    /// What.
    pub kind: TraceKind,
    /// The file as tracebacks name it; empty for callbacks.
    pub filename: Arc<str>,
    /// The line, from 1; 0 for callbacks.
    pub line: u32,
    /// The qualified name of the function, or the callback's.
    pub function: Arc<str>,
    /// The class of an exception; otherwise empty.
    pub detail: Arc<str>,
}

/// A [`TraceEvent`] on its way to a listener.
pub type TraceRequest = TraceEvent;

/// What kind of thing happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum TraceKind {
    /// A line is begun.
    Line,
    /// A function is entered.
    Call,
    /// A function is left, by an exception if `detail` names one.
    Return,
    /// A coroutine or generator gives up control.
    Suspend,
    /// It goes on.
    Resume,
    /// An exception is raised, or arrives from a function that was called.
    Exception,
    /// A callback is called.
    CallbackStart {
        /// Which call of the run it is, from 1.
        call: u64,
    },
    /// A callback has answered, or its call was given up. What is still under way when
    /// the run ends has no end here.
    CallbackEnd {
        /// Which call it was.
        call: u64,
        /// How long it took. Nothing in a run with a [`Seed`](crate::Seed).
        duration: Duration,
        /// Whether the answer was an error, or there is none.
        failed: bool,
    },
}
