use crate::budget::{OutputBudget, OutputFull};
use crate::callback::{Calls, Encoded, Progress};
use crate::chance::{Chance, SeededHost};
use crate::clock::{Clock, VirtualClock};
use crate::memory::MemoryTracker;
use crate::operations::{Operations, TooManyOperations};
use crate::output::{ExecutionOutput, Truncated};
use crate::run::RunOptions;
use crate::seed::Seed;
use crate::stream::{Outlet, OutputRequest, OutputStream};
use crate::trace::{TraceKind, Tracer};
use crate::{
    CallbackError, OutputPolicy, OutputText, PythonExecutor, ResourceLimits, SnapshotError,
};
use bytes::Bytes;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};
use wasmtime_wasi::{WasiCtxBuilder, WasiView};

/// What a store's data must lend so that Python can run in it.
///
/// The embedder composes the data: [`RuntimeCtx`] for what this crate does,
/// WASI's context for clocks and random numbers, and whatever else it links.
/// [`MinimalState`](crate::MinimalState) is such data and nothing more.
pub trait RuntimeView: WasiView + Send + 'static {
    /// This crate's part of the data.
    fn runtime(&mut self) -> &mut RuntimeCtx;

    /// A run begins: what the data counts of one run besides this crate's part begins
    /// anew. Nothing by default.
    fn begin_run(&mut self) {}

    /// Notes what the data holds besides the interpreter's memory and a program
    /// can change: files, say. Calling the answer puts it back.
    ///
    /// What belongs to others too is better left alone. Nothing by default.
    fn checkpoint(&mut self) -> Undo {
        Box::new(|| ())
    }

    /// Saves all files that are the session's own, by value, as bytes of which there
    /// may be `limit`.
    ///
    /// # Errors
    /// [`SnapshotError::TooLarge`] if they are more; [`SnapshotError::Files`] by
    /// default: nothing is known of any files.
    fn save_files(&mut self, limit: u64) -> Result<Vec<u8>, SnapshotError> {
        let _ = limit;
        Err(no_files())
    }

    /// Makes the session's own files what [`save_files`](Self::save_files) saved.
    /// Calling the answer puts back those that were there.
    ///
    /// # Errors
    /// [`SnapshotError::Files`] if they are damaged or more than there may be, and by
    /// default. Nothing has changed then.
    fn load_files(&mut self, saved: &[u8]) -> Result<Undo, SnapshotError> {
        let _ = saved;
        Err(no_files())
    }

    /// An executor for the interpreters of one session, which follow one another:
    /// what is to outlive each of them, as files, they share.
    ///
    /// The same executor by default, of which each interpreter has everything anew.
    #[must_use]
    fn for_session(executor: PythonExecutor<Self>) -> PythonExecutor<Self>
    where
        Self: Sized,
    {
        executor
    }

    /// As [`for_session`](Self::for_session), for a session that goes on from where
    /// the one with this data is: with copies of what is its own.
    #[must_use]
    fn for_fork(&mut self, executor: PythonExecutor<Self>) -> PythonExecutor<Self>
    where
        Self: Sized,
    {
        Self::for_session(executor)
    }
}

/// One chunk of output may wait for its listener when the program is asked to end.
const MOST_CHUNKS: usize = 1;

/// How long listeners have for what waits when the run is over, or is to be.
const LAST_CHANCE: Duration = Duration::from_millis(50);

fn no_files() -> SnapshotError {
    SnapshotError::Files("the session's store has no files of its own".to_owned())
}

/// Puts back what [`RuntimeView::checkpoint`] noted, or what
/// [`RuntimeView::load_files`] replaced.
pub type Undo = Box<dyn FnOnce() + Send>;

/// The state of an interpreter's run: its budgets and what it has produced.
#[derive(Debug)]
pub struct RuntimeCtx {
    stdout: OutputBudget,
    stderr: OutputBudget,
    policy: OutputPolicy,
    streaming: Outlet<OutputRequest>,
    pub(crate) memory: MemoryTracker,
    operations: Operations,
    calls: Calls,
    /// When the program is asked to end, until it was.
    stop_at: Option<Instant>,
    asked_to_stop: bool,
    /// Until when who listens to the trace may keep the program waiting.
    trace_until: Option<Instant>,
    tracer: Option<Tracer>,
    chance: Option<Chance>,
    clock: Clock,
    started: Instant,
}

impl RuntimeCtx {
    pub(crate) fn new(limits: &ResourceLimits, seed: Option<Seed>) -> Self {
        Self {
            stdout: OutputBudget::new(limits.stdout_bytes),
            stderr: OutputBudget::new(limits.stderr_bytes),
            policy: limits.output_policy,
            streaming: Outlet::default(),
            memory: MemoryTracker::new(limits.memory_bytes),
            operations: Operations::new(limits.operations),
            calls: Calls::default(),
            stop_at: None,
            asked_to_stop: false,
            trace_until: None,
            tracer: None,
            chance: seed.map(Chance::of),
            clock: if seed.is_some() { Clock::of_its_own() } else { Clock::real() },
            started: Instant::now(),
        }
    }

    /// Makes ready for a run; what an earlier one left behind is gone.
    pub(crate) fn begin(&mut self, options: &RunOptions, started: Instant) {
        let limits = &options.limits;
        self.stdout = OutputBudget::new(limits.stdout_bytes);
        self.stderr = OutputBudget::new(limits.stderr_bytes);
        self.policy = limits.output_policy;
        self.streaming = Outlet::lossless(options.output.clone(), MOST_CHUNKS);
        self.memory.begin(limits.memory_bytes);
        self.operations.begin(limits.operations, self.chance.is_some());
        let traced = options.trace.as_ref().is_some_and(|trace| trace.callbacks);
        self.calls.begin(options.callbacks.clone(), limits.callbacks.clone(), traced);
        self.calls.set_in_order(self.chance.is_some());
        self.asked_to_stop = false;
        self.stop_at = limits.soft_timeout.and_then(|timeout| started.checked_add(timeout));
        self.trace_until = self.stop_at;
        self.clock.begin(started);
        self.tracer = options.trace.as_ref().map(|trace| {
            Tracer::new(trace.clone(), options.trace_listener.clone(), self.clock.clone())
        });
        self.started = started;
    }

    /// Gives away what is under way outside the guest, for a run that is over for
    /// good.
    pub(crate) fn rest(&mut self) -> Operations {
        std::mem::take(&mut self.operations)
    }

    /// WASI's context with the clocks and the random numbers that the
    /// interpreter is to have: start from this when you compose a store's data.
    pub fn wasi(&self) -> WasiCtxBuilder {
        let mut wasi = WasiCtxBuilder::new();
        if let Clock::Virtual { now, .. } = &self.clock {
            wasi.wall_clock(VirtualClock(Arc::clone(now)));
            wasi.monotonic_clock(VirtualClock(Arc::clone(now)));
        }
        if let Some(chance) = &self.chance {
            wasi.secure_random(chance.secure());
            wasi.insecure_random(chance.insecure());
            wasi.insecure_random_seed(u128::from(chance.seed().0));
        }
        wasi
    }

    pub(crate) fn clock(&self) -> &Clock {
        &self.clock
    }

    pub(crate) fn chance(&self) -> Option<&Chance> {
        self.chance.as_ref()
    }

    pub(crate) fn chance_mut(&mut self) -> Option<&mut Chance> {
        self.chance.as_mut()
    }

    /// Where time and chance stand, if a seed made them.
    pub(crate) fn standing(&self) -> Option<SeededHost> {
        Some(self.chance.as_ref()?.standing(self.clock.standing()))
    }

    /// Goes on from there with both, if a seed made those that it has.
    pub(crate) fn go_on(&mut self, host: &SeededHost) {
        if let Some(chance) = &mut self.chance {
            chance.go_on(host);
            self.clock.go_on(host.now());
        }
    }

    /// Shows the time of an interpreter that has its own, by a seed: the times of its
    /// files, say, are to follow from it. To look at it here does not advance it.
    pub fn virtual_clock(&self) -> Option<impl Fn() -> SystemTime + Send + Sync + use<>> {
        self.clock.of_interpreter()
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
        let Clock::Virtual { now, .. } = &self.clock else {
            return self.operations.wait(left.map_or(time, |left| left.min(time))).await;
        };
        let wait = self.operations.wait_in_order(now, time);
        match left {
            None => wait.await,
            Some(left) => tokio::time::timeout(left, wait).await.unwrap_or_default(),
        }
    }

    /// Whether it is time for the program to end by itself; yes once.
    pub(crate) fn stop_requested(&mut self) -> bool {
        let asks = self.stop_at.take_if(|stop| Instant::now() >= *stop).is_some();
        if asks {
            self.asked_to_stop = true;
            self.trace_until = Instant::now().checked_add(LAST_CHANCE);
        }
        asks
    }

    /// Whether that was so since the call into the guest began.
    pub(crate) fn was_asked_to_stop(&self) -> bool {
        self.asked_to_stop
    }

    pub(crate) async fn cancel(&mut self, operation: u32) {
        self.operations.cancel(operation);
        self.calls.cancel(operation);
        self.trace_calls().await;
    }

    pub(crate) async fn call(
        &mut self,
        callback: u32,
        json: &[u8],
        attachments: Vec<(String, Bytes)>,
    ) -> Result<Progress, CallbackError> {
        let progress = self.calls.start(&mut self.operations, callback, json, attachments).await;
        self.trace_calls().await;
        progress
    }

    pub(crate) async fn take_call(&mut self, operation: u32) -> Result<Encoded, CallbackError> {
        let answer = self.calls.take(&mut self.operations, operation);
        self.trace_calls().await;
        answer
    }

    async fn trace_calls(&mut self) {
        if let Some(tracer) = &mut self.tracer {
            for (kind, name) in self.calls.log() {
                tracer.tell(kind, "", 0, &name, "", self.trace_until).await;
            }
        }
    }

    pub(crate) async fn trace(
        &mut self,
        kind: TraceKind,
        filename: &str,
        line: u32,
        function: &str,
        detail: &str,
    ) {
        if let Some(tracer) = &mut self.tracer {
            tracer.tell(kind, filename, line, function, detail, self.trace_until).await;
        }
    }

    /// Keeps what the budget allows and hands everything to who listens, waiting
    /// until there is room for it or the program is to be asked to end.
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
        if !self.streaming.is_closed() {
            let request = OutputRequest { stream, bytes: bytes.into() };
            self.streaming.send(request, self.stop_at).await;
        }
        kept
    }

    /// Hands over what listeners had no room for when the program had to end, if they
    /// have it soon.
    pub(crate) async fn catch_up(&mut self) {
        let Self { streaming, tracer, .. } = self;
        let told = tracer.as_mut().map(Tracer::outlet);
        if !streaming.is_behind() && !told.as_ref().is_some_and(|told| told.is_behind()) {
            return;
        }
        let all = async {
            streaming.catch_up().await;
            if let Some(told) = told {
                told.catch_up().await;
            }
        };
        let _ = tokio::time::timeout(LAST_CHANCE, all).await;
    }

    /// What the run has left so far; the streams are empty afterwards.
    pub(crate) fn take_output(&mut self) -> ExecutionOutput {
        let (stdout, stdout_cut) = self.stdout.take();
        let (stderr, stderr_cut) = self.stderr.take();
        // Whoever listens, or answers, learns that this was all.
        self.streaming = Outlet::default();
        self.calls.rest();
        let (trace, trace_cut) = self.tracer.take().map(|mut one| one.take()).unwrap_or_default();
        ExecutionOutput {
            stdout: OutputText::from(stdout),
            stderr: OutputText::from(stderr),
            peak_memory_bytes: self.memory.peak(),
            duration: self.started.elapsed(),
            callback_invocations: self.calls.made(),
            trace,
            truncated: Truncated {
                stdout: stdout_cut,
                stderr: stderr_cut,
                result: false,
                trace: trace_cut,
            },
            ..ExecutionOutput::default()
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;
    use futures_util::FutureExt;
    use proptest::prelude::*;
    use tokio::sync::mpsc;

    type Chunks = Vec<(bool, Vec<u8>)>;

    fn chunks() -> impl Strategy<Value = Chunks> {
        let chunk = prop_oneof![Just(0..1_usize), Just(1..4), Just(30..70)]
            .prop_flat_map(|size| prop::collection::vec(any::<u8>(), size));
        prop::collection::vec((any::<bool>(), chunk), 0..30)
    }

    /// What was written to a stream, up to the chunk that was one too many.
    fn written(chunks: &[(bool, Vec<u8>)], to_stdout: bool) -> Vec<u8> {
        let of_stream = chunks.iter().filter(|(stream, _)| *stream == to_stdout);
        of_stream.flat_map(|(_, bytes)| bytes).copied().collect()
    }

    proptest! {
        #[test]
        fn output_is_kept_up_to_its_limit_however_it_is_cut(
            chunks in chunks(),
            (stdout, stderr) in (0..200_u64, 0..200_u64),
            stop in any::<bool>(),
        ) {
            let mut options = RunOptions::default();
            (options.limits.stdout_bytes, options.limits.stderr_bytes) = (stdout, stderr);
            if stop {
                options.limits.output_policy = OutputPolicy::Stop;
            }
            let (sender, mut listener) = mpsc::channel(chunks.len().max(1));
            options.output = Some(sender);
            let mut runtime = RuntimeCtx::new(&options.limits, None);
            runtime.begin(&options, Instant::now());
            let mut count = 0;
            let mut is_full = false;
            for (to_stdout, bytes) in &chunks {
                let stream = if *to_stdout { OutputStream::Stdout } else { OutputStream::Stderr };
                count += 1;
                // There is room for all: nothing waits.
                let kept = runtime.print(stream, bytes.clone()).now_or_never().unwrap();
                is_full = kept.is_err();
                if is_full {
                    break;
                }
            }
            let printed = &chunks[..count];
            let output = runtime.take_output();
            let mut over = false;
            for (limit, kept, truncated, to_stdout) in [
                (stdout, &output.stdout, output.truncated.stdout, true),
                (stderr, &output.stderr, output.truncated.stderr, false),
            ] {
                let all = written(printed, to_stdout);
                let room = usize::try_from(limit).unwrap().min(all.len());
                prop_assert_eq!(kept.as_bytes(), &all[..room]);
                prop_assert_eq!(truncated, all.len() > room);
                over |= truncated;
            }
            // It is stopped at the first chunk that does not fit, and at no other.
            prop_assert_eq!(is_full, stop && over);
            drop(runtime);
            let mut heard = [Vec::new(), Vec::new()];
            while let Ok(request) = listener.try_recv() {
                let stream = usize::from(request.stream == OutputStream::Stdout);
                heard[stream].extend_from_slice(&request.bytes);
            }
            for to_stdout in [false, true] {
                let all = written(printed, to_stdout);
                prop_assert_eq!(&heard[usize::from(to_stdout)], &all);
            }
        }
    }
}
