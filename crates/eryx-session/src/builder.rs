use crate::SessionExecutor;
use eryx_core::{
    CallbackRequest, Callbacks, CancellationToken, Error, ExecutionOutput, OutputRequest,
    RunOptions, RuntimeView, TraceOptions, TraceRequest,
};
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

/// A run in a session that is being prepared: see [`SessionExecutor::execute`].
/// What is set here holds for this run only.
#[derive(Debug)]
#[must_use = "nothing happens before `run`"]
pub struct SessionExecuteBuilder<'a, T: RuntimeView> {
    session: &'a mut SessionExecutor<T>,
    code: String,
    options: RunOptions,
    transactional: bool,
    #[cfg(feature = "net")]
    pub(crate) network: Option<crate::network::Decider<T>>,
}

impl<'a, T: RuntimeView> SessionExecuteBuilder<'a, T> {
    pub(crate) fn new(session: &'a mut SessionExecutor<T>, code: String) -> Self {
        let mut options = session.options.clone();
        // Functions outlive their run: a traceback must find the right source.
        if options.filename == RunOptions::default().filename {
            options.filename = format!("<run {}>", session.execution_count() + 1);
        }
        Self {
            session,
            code,
            options,
            transactional: false,
            #[cfg(feature = "net")]
            network: None,
        }
    }

    /// Sets what Python can call; calls are sent to `requests`, and whoever holds
    /// the other end answers them.
    pub fn with_callbacks(
        mut self,
        callbacks: &Callbacks,
        requests: &mpsc::Sender<CallbackRequest>,
    ) -> Self {
        self.options.callbacks = callbacks.through(requests);
        self
    }

    /// Sends what the program does to `listener`.
    pub fn with_tracing(mut self, listener: mpsc::Sender<TraceRequest>) -> Self {
        self.options.trace.get_or_insert_with(|| TraceOptions::default().with_kept(0));
        self.options.trace_listener = Some(listener);
        self
    }

    /// Sends what is printed to `listener` too, as it is printed.
    pub fn with_output_streaming(mut self, listener: mpsc::Sender<OutputRequest>) -> Self {
        self.options.output = Some(listener);
        self
    }

    /// Limits the work of the run: see
    /// [`ResourceLimits::fuel`](eryx_core::ResourceLimits::fuel).
    ///
    /// The first time, a session that was started without moves into an interpreter
    /// that counts, where Python takes about twice as long, and stays there until its
    /// next [`reset`](SessionExecutor::reset). That is as if it were
    /// [restored from an image](SessionExecutor::restore_image): connections and calls
    /// under way end, and for a moment a second interpreter is there. The first in a
    /// process loads [the code that counts](eryx_core::PythonExecutor::load_metered).
    /// All of that is in the time of the run; if that is over before, the session is
    /// where it was.
    pub fn with_fuel_limit(mut self, fuel: u64) -> Self {
        self.options.limits.fuel = Some(fuel);
        self
    }

    /// Limits the wall time of the run.
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.options.limits.timeout = Some(timeout);
        self
    }

    /// Asks the program to end after this time, which leaves the session ready.
    pub fn with_soft_timeout(mut self, timeout: Duration) -> Self {
        self.options.limits.soft_timeout = Some(timeout);
        self
    }

    /// Ends the run when `token` is cancelled.
    pub fn with_cancellation(mut self, token: CancellationToken) -> Self {
        self.options.cancellation = Some(token);
        self
    }

    /// Makes a global variable's value the result.
    pub fn with_result_variable(mut self, name: impl Into<String>) -> Self {
        self.options.result_variable = Some(name.into());
        self
    }

    /// Sets the name that tracebacks show. `<run 1>` and so on.
    pub fn with_filename(mut self, filename: impl Into<String>) -> Self {
        self.options.filename = filename.into();
        self
    }

    /// Undoes the run if it ends in an error, whichever: the session is then what
    /// it was before, and ready. The error is the run's own.
    ///
    /// Variables and everything else in the interpreter come back, with the state of
    /// `random`, and files of the session's own; where a [seed](eryx_core::Seed) makes
    /// them, the host's time and random numbers too.
    ///
    /// What the run did in a storage or directory that the embedder has mounted, and
    /// what it called, stays done. Connections that were open before the run are closed
    /// in the session afterwards, and calls of the host that were under way have failed
    /// there, as in any [image](SessionExecutor::restore_image) that is restored.
    ///
    /// Costs what [`snapshot_image`](SessionExecutor::snapshot_image) does, in the time
    /// of the run, and an undone run a new interpreter, within
    /// [`restore_timeout`](eryx_core::ResourceLimits::restore_timeout). If there is no
    /// place or no time for that, or the future is dropped, the session is
    /// [poisoned](eryx_core::Poison::NotUndone), and [`undo`](SessionExecutor::undo)
    /// tries again.
    pub fn transactional(mut self) -> Self {
        self.transactional = true;
        self
    }

    /// Runs the program to its end.
    ///
    /// Dropping the future poisons the session.
    ///
    /// # Errors
    /// How a run can end: see [`Error`].
    pub async fn run(mut self) -> Result<ExecutionOutput, Error> {
        self.options.began = Some(Instant::now());
        // Before anything is moved or noted for it.
        self.options.check(&self.code)?;
        self.session.meter(&self.options).await?;
        #[cfg(feature = "net")]
        if let Some(decider) = &self.network {
            decider.begin(self.session);
        }
        let result = if self.transactional {
            Box::pin(self.session.run_or_undo(&self.code, &self.options)).await
        } else {
            self.session.run(&self.code, &self.options).await
        };
        #[cfg(feature = "net")]
        if let Some(decider) = self.network {
            decider.end(self.session);
        }
        result
    }
}
