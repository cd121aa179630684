use crate::budget::{OutputBudget, OutputFull};
use crate::limits::ResourceLimits;
use crate::memory::MemoryTracker;
use crate::output::{ExecutionOutput, Truncated};
use crate::{OutputPolicy, OutputText};
use std::time::Instant;
use wasmtime_wasi::WasiView;

/// What a store's data must lend so that Python can run in it.
///
/// The embedder composes the data: [`RuntimeCtx`] for what this crate does,
/// WASI's context for clocks and random numbers, and whatever else it links.
/// [`MinimalState`](crate::MinimalState) is such data and nothing more.
pub trait RuntimeView: WasiView + Send + 'static {
    /// This crate's part of the data.
    fn runtime(&mut self) -> &mut RuntimeCtx;
}

/// The state of one run: its budgets and what it has produced.
#[derive(Debug)]
pub struct RuntimeCtx {
    pub(crate) stdout: OutputBudget,
    pub(crate) stderr: OutputBudget,
    policy: OutputPolicy,
    pub(crate) memory: MemoryTracker,
    started: Instant,
}

impl RuntimeCtx {
    pub(crate) fn new(limits: &ResourceLimits, started: Instant) -> Self {
        Self {
            stdout: OutputBudget::new(limits.stdout_bytes),
            stderr: OutputBudget::new(limits.stderr_bytes),
            policy: limits.output_policy,
            memory: MemoryTracker::new(limits.memory_bytes),
            started,
        }
    }

    /// The memory the interpreter uses.
    pub fn memory(&self) -> &MemoryTracker {
        &self.memory
    }

    pub(crate) fn print(&mut self, to_stderr: bool, bytes: &[u8]) -> Result<(), OutputFull> {
        let stream = if to_stderr { &mut self.stderr } else { &mut self.stdout };
        stream.write(bytes, self.policy)
    }

    /// What the run has left so far; the streams are empty afterwards.
    pub(crate) fn take_output(&mut self) -> ExecutionOutput {
        let (stdout, stdout_cut) = self.stdout.take();
        let (stderr, stderr_cut) = self.stderr.take();
        ExecutionOutput {
            stdout: OutputText::from(stdout),
            stderr: OutputText::from(stderr),
            peak_memory_bytes: self.memory.peak(),
            duration: self.started.elapsed(),
            truncated: Truncated { stdout: stdout_cut, stderr: stderr_cut, result: false },
            ..ExecutionOutput::default()
        }
    }
}
