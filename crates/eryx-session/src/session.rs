use crate::builder::SessionExecuteBuilder;
use crate::copying::start;
use eryx_core::{
    Callbacks, Error, Image, Interpreter, MinimalState, PythonExecutor, ResourceLimits, RunOptions,
    RuntimeView, State,
};
use std::fmt;
use std::time::{Duration, Instant};
use wasmtime::Store;

/// The second finds what the first has left behind, as each real one will, and is compiled
/// as programs with variables are.
const WARM_UP: [&str; 2] = ["None", "if 0: x = 1"];

/// An interpreter that lasts from run to run.
///
/// A run that is stopped (a limit, a trap, a dropped future) leaves the session
/// [poisoned](State::Poisoned): every further run fails at once, until
/// [`reset`](Self::reset) gives it a new interpreter. Exceptions and exit
/// statuses leave it ready.
///
/// # Memory
/// WebAssembly's memory grows and does not shrink. What variables held is used again
/// after `del` and [`clear_state`](Self::clear_state), by this interpreter alone; the
/// host gets it back with [`reset`](Self::reset), a restore of an image or of
/// variables into a new interpreter, and the end of the session.
pub struct SessionExecutor<T: RuntimeView = MinimalState> {
    pub(crate) interpreter: Interpreter<T>,
    pub(crate) options: RunOptions,
    pub(crate) count: u64,
    /// What it was before a run that is to be undone if it fails, until that is known.
    pub(crate) before: Option<Image>,
}

impl<T: RuntimeView> SessionExecutor<T> {
    /// Starts a session with the default limits.
    ///
    /// # Errors
    /// As [`PythonExecutor::start`].
    pub async fn new(executor: PythonExecutor<T>, callbacks: &Callbacks) -> Result<Self, Error> {
        let mut options = RunOptions::default();
        options.callbacks = callbacks.clone();
        Self::with_options(executor, options).await
    }

    /// Starts a session; `options` are those of its runs unless a run has its own.
    ///
    /// # Errors
    /// As [`PythonExecutor::start`].
    pub async fn with_options(
        executor: PythonExecutor<T>,
        options: RunOptions,
    ) -> Result<Self, Error> {
        let executor = T::for_session(executor);
        let interpreter = start(&executor, &options).await?;
        Ok(Self::of(interpreter, options))
    }

    pub(crate) fn of(interpreter: Interpreter<T>, mut options: RunOptions) -> Self {
        // It is of each run alone.
        options.began = None;
        Self { interpreter, options, count: 0, before: None }
    }

    /// Goes on in another interpreter; what was in the old one is gone.
    pub(crate) fn put(&mut self, interpreter: Interpreter<T>) {
        self.interpreter = interpreter;
        self.before = None;
    }

    /// The session's options for something that begins now.
    pub(crate) fn begin(&self) -> RunOptions {
        let mut options = self.options.clone();
        options.began = Some(Instant::now());
        options
    }

    /// Runs two programs that do nothing and are not counted, so that the first real one
    /// finds everything in memory.
    ///
    /// # Errors
    /// As a run's.
    pub async fn warm_up(&mut self) -> Result<(), Error> {
        let options = self.begin();
        self.meter(&options).await?;
        for program in WARM_UP {
            self.interpreter.execute(program, &options).await?;
        }
        Ok(())
    }

    /// Prepares to run `code`. Nothing happens before
    /// [`run`](SessionExecuteBuilder::run).
    pub fn execute(&mut self, code: impl Into<String>) -> SessionExecuteBuilder<'_, T> {
        SessionExecuteBuilder::new(self, code.into())
    }

    /// Sets the wall time of runs that have no limit of their own; `None` lifts
    /// it. 30 s.
    pub fn set_execution_timeout(&mut self, timeout: Option<Duration>) {
        self.options.limits.timeout = timeout;
    }

    /// The wall time of runs that have no limit of their own.
    pub fn execution_timeout(&self) -> Option<Duration> {
        self.options.limits.timeout
    }

    /// Sets the fuel of runs that have no limit of their own, and of saving, restoring
    /// and clearing variables. The first of these that has one moves a session that was
    /// started without into an interpreter that counts: see
    /// [`with_fuel_limit`](SessionExecuteBuilder::with_fuel_limit).
    pub fn set_fuel_limit(&mut self, fuel: Option<u64>) {
        self.options.limits.fuel = fuel;
    }

    /// The fuel of runs that have no limit of their own.
    pub fn fuel_limit(&self) -> Option<u64> {
        self.options.limits.fuel
    }

    /// The limits of runs that have none of their own.
    pub fn limits(&self) -> &ResourceLimits {
        &self.options.limits
    }

    /// How many programs have begun to run, however they ended. A reset does not count
    /// anew; a fork and a session that starts from an image go on from the original's
    /// count.
    pub fn execution_count(&self) -> u64 {
        self.count
    }

    /// Whether the session can be used.
    pub fn state(&self) -> State {
        self.interpreter.state()
    }

    /// Gives the session a new interpreter, with these callbacks. Limits stay, and
    /// files. The old interpreter makes room for it first, so that this can be done
    /// where all places are taken.
    ///
    /// # Errors
    /// [`Error::Closed`], [`Error::Config`] for limits that cannot be,
    /// [`Error::Timeout`] if the code that counts fuel could not be loaded within the
    /// session's time, and [`Error::Cancelled`]: nothing has changed. As [`PythonExecutor::start`]: the session is
    /// [poisoned](eryx_core::Poison::NotStarted) then, and can be reset again.
    pub async fn reset(&mut self, callbacks: &Callbacks) -> Result<(), Error> {
        if self.state() == State::Closed {
            return Err(Error::Closed);
        }
        let mut options = self.begin();
        options.limits.check()?;
        let executor = self.interpreter.executor().clone();
        let is_metered = options.limits.fuel.is_some();
        let load = async { if is_metered { executor.load_metered().await } else { Ok(()) } };
        options.within(load).await?;
        self.interpreter.release();
        self.before = None;
        self.options.callbacks = callbacks.clone();
        options.callbacks = callbacks.clone();
        let interpreter = start(&executor, &options).await?;
        self.put(interpreter);
        Ok(())
    }

    /// Forgets all variables and drops running tasks, in the same interpreter.
    /// Modules stay imported, and memory that the interpreter has grown to stays
    /// its own, for the next variables.
    ///
    /// # Errors
    /// As a run's; [`Error::Poisoned`] if it cannot be used.
    pub async fn clear_state(&mut self) -> Result<(), Error> {
        let options = self.begin();
        self.meter(&options).await?;
        self.interpreter.clear(&options).await
    }

    /// The wasmtime store, for inspection. `None` if the session is poisoned or
    /// closed; while a run holds it nobody can ask.
    pub fn store(&self) -> Option<&Store<T>> {
        self.interpreter.store()
    }

    /// As [`store`](Self::store).
    pub fn store_mut(&mut self) -> Option<&mut Store<T>> {
        self.interpreter.store_mut()
    }

    /// The runtime.
    pub fn executor(&self) -> &PythonExecutor<T> {
        self.interpreter.executor()
    }

    /// Ends the session: every further call fails with [`Error::Closed`].
    pub fn close(&mut self) {
        self.interpreter.close();
        self.before = None;
    }
}

impl<T: RuntimeView> fmt::Debug for SessionExecutor<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionExecutor")
            .field("state", &self.state())
            .field("count", &self.count)
            .finish_non_exhaustive()
    }
}
