use crate::budget::{OutputBudget, OutputFull};
use crate::callback::{Calls, Progress};
use crate::memory::MemoryTracker;
use crate::operations::{Operations, TooManyOperations};
use crate::output::{ExecutionOutput, Truncated};
use crate::run::RunOptions;
use crate::stream::{OutputRequest, OutputStream};
use crate::{CallbackError, OutputPolicy, OutputText, ResourceLimits};
use bytes::Bytes;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
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

/// The state of an interpreter's run: its budgets and what it has produced.
#[derive(Debug)]
pub struct RuntimeCtx {
    stdout: OutputBudget,
    stderr: OutputBudget,
    policy: OutputPolicy,
    streaming: Option<mpsc::Sender<OutputRequest>>,
    pub(crate) memory: MemoryTracker,
    operations: Operations,
    calls: Calls,
    /// When the program is asked to end, until it was.
    stop_at: Option<Instant>,
    started: Instant,
}

impl RuntimeCtx {
    pub(crate) fn new(limits: &ResourceLimits) -> Self {
        Self {
            stdout: OutputBudget::new(limits.stdout_bytes),
            stderr: OutputBudget::new(limits.stderr_bytes),
            policy: limits.output_policy,
            streaming: None,
            memory: MemoryTracker::new(limits.memory_bytes),
            operations: Operations::new(limits.operations),
            calls: Calls::default(),
            stop_at: None,
            started: Instant::now(),
        }
    }

    /// Makes ready for a run; what an earlier one left behind is gone.
    pub(crate) fn begin(&mut self, options: &RunOptions, started: Instant) {
        let limits = &options.limits;
        self.stdout = OutputBudget::new(limits.stdout_bytes);
        self.stderr = OutputBudget::new(limits.stderr_bytes);
        self.policy = limits.output_policy;
        self.streaming.clone_from(&options.output);
        self.memory.begin(limits.memory_bytes);
        self.operations.set_limit(limits.operations);
        self.calls.begin(options.callbacks.clone(), limits.callbacks.clone());
        self.stop_at = limits.soft_timeout.and_then(|timeout| started.checked_add(timeout));
        self.started = started;
    }

    /// The memory the interpreter uses.
    pub fn memory(&self) -> &MemoryTracker {
        &self.memory
    }

    /// Starts work that the guest can wait for by the number that is returned.
    /// It runs as a task and is dropped when the interpreter is.
    ///
    /// # Errors
    /// [`TooManyOperations`] if so many are under way as the run may have.
    pub fn submit(
        &mut self,
        work: impl Future<Output = ()> + Send + 'static,
    ) -> Result<u32, TooManyOperations> {
        self.operations.submit(work)
    }

    pub(crate) async fn wait(&mut self, time: Duration) -> Vec<u32> {
        let left = self.stop_at.map(|stop| stop.saturating_duration_since(Instant::now()));
        self.operations.wait(left.map_or(time, |left| left.min(time))).await
    }

    /// Whether it is time for the program to end by itself; yes once.
    pub(crate) fn stop_requested(&mut self) -> bool {
        self.stop_at.take_if(|stop| Instant::now() >= *stop).is_some()
    }

    pub(crate) fn cancel(&mut self, operation: u32) {
        self.operations.cancel(operation);
        self.calls.cancel(operation);
    }

    pub(crate) async fn call(
        &mut self,
        callback: u32,
        json: &[u8],
        attachments: Vec<(String, Bytes)>,
    ) -> Result<Progress, CallbackError> {
        self.calls.start(&mut self.operations, callback, json, attachments).await
    }

    pub(crate) fn calls(&mut self) -> &mut Calls {
        &mut self.calls
    }

    /// Keeps what the budget allows and hands everything to who listens, waiting
    /// until there is room for it.
    pub(crate) async fn print(
        &mut self,
        stream: OutputStream,
        bytes: Vec<u8>,
    ) -> Result<(), OutputFull> {
        let budget = match stream {
            OutputStream::Stdout => &mut self.stdout,
            OutputStream::Stderr => &mut self.stderr,
        };
        let kept = budget.write(&bytes, self.policy);
        if let Some(streaming) = &self.streaming {
            let request = OutputRequest { stream, bytes: bytes.into() };
            if streaming.send(request).await.is_err() {
                // Nobody listens any more: the program need not know.
                self.streaming = None;
            }
        }
        kept
    }

    /// What the run has left so far; the streams are empty afterwards.
    pub(crate) fn take_output(&mut self) -> ExecutionOutput {
        let (stdout, stdout_cut) = self.stdout.take();
        let (stderr, stderr_cut) = self.stderr.take();
        // Whoever listens learns that this was all.
        self.streaming = None;
        ExecutionOutput {
            stdout: OutputText::from(stdout),
            stderr: OutputText::from(stderr),
            peak_memory_bytes: self.memory.peak(),
            duration: self.started.elapsed(),
            callback_invocations: self.calls.made(),
            truncated: Truncated { stdout: stdout_cut, stderr: stderr_cut, result: false },
            ..ExecutionOutput::default()
        }
    }
}
