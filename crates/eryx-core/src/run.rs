use crate::callback::Callbacks;
use crate::enter;
use crate::execution::Execution;
use crate::limits::ResourceLimits;
use crate::program;
use crate::seed::Seed;
use crate::stream::OutputRequest;
use crate::trace::{TraceOptions, TraceRequest};
use crate::view::RuntimeView;
use crate::{Error, ExecutionOutput, PythonExecutor};
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// What a run is given besides its code.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct RunOptions {
    /// The name that tracebacks and `__file__` show. `main.py`.
    pub filename: String,
    /// `sys.argv[0]`, if that is not `filename`. `None`.
    pub argv0: Option<String>,
    /// `sys.argv` after the program's own name. Empty.
    pub args: Vec<String>,
    /// The global variable whose value is the result. `None`: the value of the
    /// last statement, if that is an expression.
    pub result_variable: Option<String>,
    /// What the run may use.
    pub limits: ResourceLimits,
    /// `os.environ`, besides `HOME`. Empty; nothing of the host's own is in it.
    pub environment: Vec<(String, String)>,
    /// What Python can call. None.
    pub callbacks: Callbacks,
    /// Who listens to what is printed. Nobody.
    pub output: Option<mpsc::Sender<OutputRequest>>,
    /// Ends the run when it is cancelled. `None`.
    pub cancellation: Option<CancellationToken>,
    /// What is told and kept of what the program does. `None`: nothing.
    pub trace: Option<TraceOptions>,
    /// Who listens to that. Nobody.
    pub trace_listener: Option<mpsc::Sender<TraceRequest>>,
    /// Makes time and chance the same in each run. `None`: they are the host's.
    /// In an interpreter that lasts it is what that was started with.
    pub seed: Option<Seed>,
    /// When the run's time began, if there was something to do for it before. `None`:
    /// it begins with the call.
    pub began: Option<Instant>,
}

impl Default for RunOptions {
    fn default() -> Self {
        Self {
            filename: "main.py".into(),
            argv0: None,
            args: Vec::new(),
            result_variable: None,
            limits: ResourceLimits::default(),
            environment: Vec::new(),
            callbacks: Callbacks::default(),
            output: None,
            cancellation: None,
            trace: None,
            trace_listener: None,
            seed: None,
            began: None,
        }
    }
}

impl RunOptions {
    /// Refuses what no program can be run as: code or arguments that Python cannot
    /// take, limits that cannot be.
    ///
    /// # Errors
    /// [`Error::Config`] says what.
    pub fn check(&self, code: &str) -> Result<(), Error> {
        self.limits.check()?;
        program::check(code, self)
    }

    /// Waits for what a run needs before it can begin, in the run's time.
    ///
    /// # Errors
    /// What comes of `work`; [`Error::Timeout`] and [`Error::Cancelled`] if the run has
    /// ended before that: `work` is dropped then.
    pub async fn within<R>(
        &self,
        work: impl Future<Output = Result<R, Error>>,
    ) -> Result<R, Error> {
        enter::within(self, work).await
    }

    pub(crate) fn started(&self) -> Instant {
        self.began.unwrap_or_else(Instant::now)
    }
}

/// A run that is being prepared: see [`PythonExecutor::execute`].
#[derive(Debug)]
#[must_use = "nothing happens before `run`"]
pub struct ExecuteBuilder<T: RuntimeView> {
    executor: PythonExecutor<T>,
    code: String,
    options: RunOptions,
}

impl<T: RuntimeView> ExecuteBuilder<T> {
    pub(crate) fn new(executor: PythonExecutor<T>, code: String) -> Self {
        Self { executor, code, options: RunOptions::default() }
    }

    /// Replaces all options.
    pub fn with_options(mut self, options: RunOptions) -> Self {
        self.options = options;
        self
    }

    /// Sets the limits.
    pub fn with_limits(mut self, limits: ResourceLimits) -> Self {
        self.options.limits = limits;
        self
    }

    /// Sets the wall-time limit.
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.options.limits.timeout = Some(timeout);
        self
    }

    /// Sets the name that tracebacks, `__file__` and `sys.argv[0]` show.
    pub fn with_filename(mut self, filename: impl Into<String>) -> Self {
        self.options.filename = filename.into();
        self
    }

    /// Sets `sys.argv[0]` alone: `-c` for a program named `<string>`, say.
    pub fn with_argv0(mut self, argv0: impl Into<String>) -> Self {
        self.options.argv0 = Some(argv0.into());
        self
    }

    /// Sets `sys.argv` after the program's own name.
    pub fn with_args<S: Into<String>>(mut self, args: impl IntoIterator<Item = S>) -> Self {
        self.options.args = args.into_iter().map(Into::into).collect();
        self
    }

    /// Makes a global variable's value the result.
    pub fn with_result_variable(mut self, name: impl Into<String>) -> Self {
        self.options.result_variable = Some(name.into());
        self
    }

    /// Sets an environment variable.
    pub fn with_env(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.options.environment.push((name.into(), value.into()));
        self
    }

    /// Sets what Python can call.
    pub fn with_callbacks(mut self, callbacks: &Callbacks) -> Self {
        self.options.callbacks = callbacks.clone();
        self
    }

    /// Sends what is printed to `listener` too, as it is printed and in that
    /// order across both streams. A full channel makes the program wait; one
    /// that was closed is as none. Everything is sent, also what is past the
    /// limit of what is kept; but what there is still no room for 50 ms after a run
    /// was stopped, the listener does not get.
    pub fn with_output_streaming(mut self, listener: mpsc::Sender<OutputRequest>) -> Self {
        self.options.output = Some(listener);
        self
    }

    /// Ends the run with [`Error::Cancelled`] when `token` is cancelled.
    pub fn with_cancellation(mut self, token: CancellationToken) -> Self {
        self.options.cancellation = Some(token);
        self
    }

    /// Traces what the program does; [`ExecutionOutput::trace`] has it.
    pub fn with_trace(mut self, trace: TraceOptions) -> Self {
        self.options.trace = Some(trace);
        self
    }

    /// Sends what the program does to `listener`, as it does it. A full channel
    /// makes the program wait; if it still is full 50 ms after the program was asked to
    /// end ([soft limit](ResourceLimits::soft_timeout)), it is closed. Unless [`with_trace`](Self::with_trace) says what
    /// else, everything is told and nothing kept.
    pub fn with_tracing(mut self, listener: mpsc::Sender<TraceRequest>) -> Self {
        self.options.trace.get_or_insert_with(|| TraceOptions::default().with_kept(0));
        self.options.trace_listener = Some(listener);
        self
    }

    /// Makes time and chance the same in each run with this seed: see [`Seed`].
    /// Sleeping takes no time then, and no callback's time passes.
    pub fn with_seed(mut self, seed: u64) -> Self {
        self.options.seed = Some(Seed(seed));
        self
    }

    /// Counts and limits the work of the run: see [`ResourceLimits::fuel`].
    pub fn with_fuel_limit(mut self, fuel: u64) -> Self {
        self.options.limits.fuel = Some(fuel);
        self
    }

    pub(crate) fn cancellation(&self) -> Option<&CancellationToken> {
        self.options.cancellation.as_ref()
    }

    /// Runs the program as a task of its own, which can be cancelled.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn spawn(self) -> Execution {
        Execution::start(self)
    }

    /// Runs the program to its end.
    ///
    /// Must be called within a tokio runtime that has its timers enabled.
    ///
    /// # Errors
    /// [`Error::Execution`] if the program raised, [`Error::Timeout`],
    /// [`Error::FuelExhausted`], [`Error::Memory`], [`Error::Output`],
    /// [`Error::Stack`], [`Error::Cancelled`] or [`Error::Trap`] if it was stopped, [`Error::Config`] if the code or an option cannot be.
    pub async fn run(self) -> Result<ExecutionOutput, Error> {
        let Self { executor, code, mut options } = self;
        options.began = Some(options.started());
        options.limits.check()?;
        let mut interpreter = enter::start(&executor, &options, false).await?;
        enter::execute(&mut interpreter, &code, &options).await
    }
}
