use crate::builder::SessionExecuteBuilder;
use crate::image::PythonImageSnapshot;
use crate::snapshot::{PythonStateSnapshot, SnapshotOptions};
use eryx_core::{
    Callbacks, Error, ExecutionOutput, Image, Interpreter, MinimalState, Omission, Poison,
    PythonExecutor, ResourceLimits, RunOptions, RuntimeView, State,
};
use std::fmt;
use std::time::Duration;
use wasmtime::Store;

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
    interpreter: Interpreter<T>,
    options: RunOptions,
    count: u64,
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

    /// Starts a session; `options` are those of its runs unless a run has its
    /// own. Fuel can be counted later only if it is limited here.
    ///
    /// # Errors
    /// As [`PythonExecutor::start`].
    pub async fn with_options(
        executor: PythonExecutor<T>,
        options: RunOptions,
    ) -> Result<Self, Error> {
        let interpreter = start(&executor, &options).await?;
        Ok(Self { interpreter, options, count: 0 })
    }

    /// Starts a session as the image was captured of another: variables,
    /// generators, tasks, everything in its memory. Its random numbers are
    /// others.
    ///
    /// # Errors
    /// As [`Interpreter::assume`].
    pub async fn from_image(
        executor: PythonExecutor<T>,
        image: &PythonImageSnapshot,
        options: RunOptions,
    ) -> Result<Self, Error> {
        let interpreter = copy(&executor, image.image(), false, &options).await?;
        Ok(Self { interpreter, options, count: 0 })
    }

    /// A second session that goes on from where this one is; both know nothing of
    /// each other from here on. What they share is what the executor's states
    /// share. Its random numbers are others.
    ///
    /// # Errors
    /// As [`PythonExecutor::start`] and [`Interpreter::fork_into`]; this session is
    /// as it was.
    pub async fn fork(&mut self) -> Result<Self, Error> {
        let executor = self.interpreter.executor().clone();
        self.fork_into(executor).await
    }

    /// As [`fork`](Self::fork), with another executor of the same runtime: other
    /// files, say.
    ///
    /// # Errors
    /// As [`fork`](Self::fork).
    pub async fn fork_into(&mut self, executor: PythonExecutor<T>) -> Result<Self, Error> {
        let mut interpreter = start(&executor, &self.options).await?;
        self.interpreter.fork_into(&mut interpreter, &self.options).await?;
        Ok(Self { interpreter, options: self.options.clone(), count: self.count })
    }

    /// Runs an empty program, which is not counted, so that the first real one
    /// finds everything in memory.
    ///
    /// # Errors
    /// As a run's.
    pub async fn warm_up(&mut self) -> Result<(), Error> {
        self.interpreter.execute("None", &self.options).await.map(drop)
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

    /// Sets the fuel of runs that have no limit of their own. A session that was
    /// started without any counts from its next [`reset`](Self::reset) on.
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

    /// How many runs there have been, however they ended. A reset does not count
    /// anew.
    pub fn execution_count(&self) -> u64 {
        self.count
    }

    /// Whether the session can be used.
    pub fn state(&self) -> State {
        self.interpreter.state()
    }

    /// Gives the session a new interpreter, with these callbacks. Limits stay,
    /// and whatever storage the executor's states share.
    ///
    /// # Errors
    /// As [`PythonExecutor::start`], the session is as it was then; [`Error::Closed`].
    pub async fn reset(&mut self, callbacks: &Callbacks) -> Result<(), Error> {
        if self.state() == State::Closed {
            return Err(Error::Closed);
        }
        let executor = self.interpreter.executor().clone();
        let mut options = self.options.clone();
        options.callbacks = callbacks.clone();
        self.interpreter = start(&executor, &options).await?;
        self.options = options;
        Ok(())
    }

    /// Forgets all variables and drops running tasks, in the same interpreter.
    /// Modules stay imported, and memory that the interpreter has grown to stays
    /// its own, for the next variables.
    ///
    /// # Errors
    /// As a run's; [`Error::Poisoned`] if it cannot be used.
    pub async fn clear_state(&mut self) -> Result<(), Error> {
        self.interpreter.clear(&self.options).await
    }

    /// Saves all variables by value, functions and classes too.
    ///
    /// # Errors
    /// [`Error::Snapshot`] if something cannot be saved, with its name, or if it
    /// is too much; the session is as it was.
    pub async fn snapshot_state(&mut self) -> Result<PythonStateSnapshot, Error> {
        let (snapshot, _) = self.snapshot_state_with(&SnapshotOptions::default()).await?;
        Ok(snapshot)
    }

    /// As [`snapshot_state`](Self::snapshot_state), with a choice; answers too
    /// with what was left out.
    ///
    /// # Errors
    /// As [`snapshot_state`](Self::snapshot_state).
    pub async fn snapshot_state_with(
        &mut self,
        options: &SnapshotOptions,
    ) -> Result<(PythonStateSnapshot, Vec<Omission>), Error> {
        let runtime = self.interpreter.executor().runtime_id();
        let (data, omitted) = self
            .interpreter
            .save(options.max_bytes, options.skip_unsaveable, options.files, &self.options)
            .await?;
        Ok((PythonStateSnapshot::new(data, runtime), omitted))
    }

    /// Puts a snapshot's variables in the place of those that there are. A
    /// poisoned session gets a new interpreter first, and is ready again.
    ///
    /// # Errors
    /// [`Error::Snapshot`] if it does not fit; the session is as it was.
    pub async fn restore_state(&mut self, snapshot: &PythonStateSnapshot) -> Result<(), Error> {
        snapshot.check().map_err(Error::Snapshot)?;
        if !matches!(self.state(), State::Poisoned(_)) {
            return self.interpreter.restore(snapshot.data(), &self.options).await;
        }
        self.restore_state_anew(snapshot).await
    }

    /// As [`restore_state`](Self::restore_state), always into a new interpreter:
    /// nothing else of the old one is left.
    ///
    /// # Errors
    /// As [`restore_state`](Self::restore_state), and [`Error::Closed`].
    pub async fn restore_state_anew(
        &mut self,
        snapshot: &PythonStateSnapshot,
    ) -> Result<(), Error> {
        snapshot.check().map_err(Error::Snapshot)?;
        if self.state() == State::Closed {
            return Err(Error::Closed);
        }
        let executor = self.interpreter.executor().clone();
        let mut fresh = start(&executor, &self.options).await?;
        fresh.restore(snapshot.data(), &self.options).await?;
        self.interpreter = fresh;
        Ok(())
    }

    /// Saves all of the session: see [`PythonImageSnapshot`].
    ///
    /// # Errors
    /// As [`Interpreter::capture`].
    pub async fn snapshot_image(&mut self) -> Result<PythonImageSnapshot, Error> {
        let image = self.interpreter.capture(&self.options).await?;
        Ok(PythonImageSnapshot::new(image))
    }

    /// Makes this session what it, or another, was when the image was captured,
    /// with other random numbers. A poisoned one is ready again.
    ///
    /// # Errors
    /// As [`from_image`](Self::from_image), and [`Error::Closed`]; the session is
    /// as it was.
    pub async fn restore_image(&mut self, image: &PythonImageSnapshot) -> Result<(), Error> {
        if self.state() == State::Closed {
            return Err(Error::Closed);
        }
        let executor = self.interpreter.executor().clone();
        self.interpreter = copy(&executor, image.image(), false, &self.options).await?;
        Ok(())
    }

    /// The wasmtime store, for inspection. `None` if a run that was dropped has
    /// left it in the midst of something.
    pub fn store(&self) -> Option<&Store<T>> {
        matches!(self.state(), State::Ready).then(|| self.interpreter.store())
    }

    /// As [`store`](Self::store).
    pub fn store_mut(&mut self) -> Option<&mut Store<T>> {
        matches!(self.state(), State::Ready).then(|| self.interpreter.store_mut())
    }

    /// The runtime.
    pub fn executor(&self) -> &PythonExecutor<T> {
        self.interpreter.executor()
    }

    /// Ends the session: every further call fails with [`Error::Closed`].
    pub fn close(&mut self) {
        self.interpreter.close();
    }

    pub(crate) fn options(&self) -> &RunOptions {
        &self.options
    }

    /// Runs a program; if it fails, nothing has happened.
    pub(crate) async fn run_or_undo(
        &mut self,
        code: &str,
        options: &RunOptions,
    ) -> Result<ExecutionOutput, Error> {
        let before = self.interpreter.capture(&self.options).await?;
        let undo = self.interpreter.data_mut().checkpoint();
        let result = self.begin().execute(code, options).await;
        if result.is_err() {
            // Until all is as it was nobody may see what is there.
            self.interpreter.poison(Poison::NotUndone);
            undo();
            let executor = self.interpreter.executor().clone();
            self.interpreter = copy(&executor, &before, true, &self.options).await?;
        }
        result
    }

    pub(crate) fn begin(&mut self) -> &mut Interpreter<T> {
        self.count += 1;
        &mut self.interpreter
    }
}

async fn start<T: RuntimeView>(
    executor: &PythonExecutor<T>,
    options: &RunOptions,
) -> Result<Interpreter<T>, Error> {
    match options.seed {
        Some(seed) => executor.start_seeded(&options.limits, seed).await,
        None => executor.start(&options.limits).await,
    }
}

async fn copy<T: RuntimeView>(
    executor: &PythonExecutor<T>,
    image: &Image,
    same_chance: bool,
    options: &RunOptions,
) -> Result<Interpreter<T>, Error> {
    let mut interpreter = start(executor, options).await?;
    interpreter.assume(image, same_chance, options).await?;
    Ok(interpreter)
}

impl<T: RuntimeView> fmt::Debug for SessionExecutor<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionExecutor")
            .field("state", &self.state())
            .field("count", &self.count)
            .finish_non_exhaustive()
    }
}
