use crate::body::Body;
use crate::enter;
use crate::image::{self, Image};
use crate::lasting;
use crate::limits::ResourceLimits;
use crate::program::entropy_for;
use crate::run::RunOptions;
use crate::seed::Seed;
use crate::view::RuntimeView;
use crate::{Error, ExecutionOutput, Omission, PythonExecutor, SeededHost};
use futures_util::FutureExt;
use std::fmt;
use wasmtime::Store;
use wasmtime::component::WasmList;

/// Bytes that may cross from the guest in one call.
pub(crate) const HOST_CALL_BYTES: usize = 16 << 20;

/// The guest's memory, as the guest shows it.
pub(crate) type Memory = WasmList<u8>;

/// A started interpreter. What one run defines, the next finds.
///
/// A run that is stopped (a limit, a trap, a cancelled or dropped future) leaves
/// the interpreter poisoned: it is never entered again. A Python exception and
/// an exit status leave it ready.
pub struct Interpreter<T: RuntimeView> {
    executor: PythonExecutor<T>,
    /// `None` when it is not to be entered again: its place is free at once.
    body: Option<Body<T>>,
    state: State,
    /// Whether its instance can be made fresh again for another.
    is_sound: bool,
    metered: bool,
    /// Whether more than one program is to run in it.
    lasting: bool,
    /// How many have.
    pub(crate) programs: u64,
}

/// Whether an interpreter can be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum State {
    /// It waits for a program.
    Ready,
    /// It runs one.
    Running,
    /// A run was stopped: the interpreter may have been in the midst of
    /// anything.
    Poisoned(Poison),
    /// It was closed.
    Closed,
}

/// Why an interpreter cannot be used any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Poison {
    /// The run's future was dropped before it had ended.
    Dropped,
    /// The run was cancelled.
    Cancelled,
    /// The run was stopped at a limit.
    Limit,
    /// The interpreter crashed.
    Trap,
    /// A run failed and what it did could not be undone, yet.
    NotUndone,
    /// The interpreter was given up for a new one, and that could not be started.
    NotStarted,
}

impl fmt::Display for Poison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Dropped => "the future of a run was dropped before it had ended",
            Self::Cancelled => "a run was cancelled",
            Self::Limit => "a run was stopped at a limit",
            Self::Trap => "the interpreter crashed",
            Self::NotUndone => {
                "what a failed run did could not be undone, which `undo` tries again"
            }
            Self::NotStarted => "it was given up for a new one, which could not be started",
        })
    }
}

impl<T: RuntimeView> Interpreter<T> {
    pub(crate) async fn start(
        executor: &PythonExecutor<T>,
        limits: &ResourceLimits,
        seed: Option<Seed>,
        lasting: bool,
    ) -> Result<Self, Error> {
        limits.check()?;
        let metered = limits.fuel.is_some();
        let body = if metered {
            let linked = executor.metered().await?;
            Body::new(executor, linked, linked.engine.place()?, limits, seed).await?
        } else {
            executor.body(limits, seed, lasting).await?
        };
        let (executor, state) = (executor.clone(), State::Ready);
        Ok(Self {
            executor,
            body: Some(body),
            state,
            is_sound: true,
            metered,
            lasting,
            programs: 0,
        })
    }

    /// Runs a program to its end.
    ///
    /// Must be called within a tokio runtime that has its timers enabled.
    ///
    /// # Errors
    /// As [`ExecuteBuilder::run`](crate::ExecuteBuilder::run);
    /// [`Error::Poisoned`] or [`Error::Closed`] if the interpreter cannot be
    /// used any more.
    pub async fn execute(
        &mut self,
        code: &str,
        options: &RunOptions,
    ) -> Result<ExecutionOutput, Error> {
        enter::execute(self, code, options).await
    }

    /// Saves the variables of `__main__` by value: of at most `limit` bytes, and
    /// with `partly` without those that cannot be saved. Files that are open are
    /// saved if `open_files` says so, by path and position; what is in them has to
    /// be saved after that, as they are flushed. Of `options`, the limits hold.
    ///
    /// The bytes are the guest's own: hand them to
    /// [`restore`](Self::restore) and nothing else.
    ///
    /// # Errors
    /// [`Error::Snapshot`], with the interpreter as it was; otherwise as
    /// [`execute`](Self::execute).
    pub async fn save(
        &mut self,
        limit: u64,
        partly: bool,
        open_files: bool,
        options: &RunOptions,
    ) -> Result<(Vec<u8>, Vec<Omission>), Error> {
        lasting::save(self, limit, partly, open_files, options).await
    }

    /// Puts what [`save`](Self::save) gave in the place of the variables that
    /// there are. What the bytes say is done inside the guest.
    ///
    /// # Errors
    /// As [`save`](Self::save).
    pub async fn restore(&mut self, bytes: &[u8], options: &RunOptions) -> Result<(), Error> {
        lasting::restore(self, bytes, options).await
    }

    /// Forgets all variables and drops running tasks. Modules stay imported.
    ///
    /// # Errors
    /// As [`execute`](Self::execute).
    pub async fn clear(&mut self, options: &RunOptions) -> Result<(), Error> {
        lasting::clear(self, options).await
    }

    /// Captures all of the interpreter. Of `options`, the limits hold.
    ///
    /// Costs some microseconds for each page that differs from a fresh
    /// interpreter; the first time in a process half a millisecond more.
    ///
    /// # Errors
    /// As [`execute`](Self::execute).
    pub async fn capture(&mut self, options: &RunOptions) -> Result<Image, Error> {
        image::capture(self, options).await
    }

    /// Makes of `copy`, in which no program has run, what this interpreter is:
    /// [`capture`](Self::capture) and [`assume`](Self::assume) at once, without an
    /// image between them. The copy's random numbers are others, unless it is to have
    /// the `same_chance`.
    ///
    /// # Errors
    /// As these two. This interpreter is as it was; after an error the copy cannot
    /// be used.
    pub async fn fork_into(
        &mut self,
        copy: &mut Self,
        same_chance: bool,
        options: &RunOptions,
    ) -> Result<(), Error> {
        let original = self.body()?.runtime();
        let host = original.standing();
        let host = match (host, original.chance_mut()) {
            (Some(host), Some(chance)) if !same_chance => Some(host.copied(chance.count_copy())),
            (host, _) => host,
        };
        let entropy = copy.inherit(host, same_chance)?;
        let result = image::fork(self, copy, entropy.as_deref(), options).await;
        copy.poison_after(&result);
        result
    }

    /// Makes of this interpreter, in which no program has run, what the image was
    /// captured of. Random numbers are others than the original's, unless it is to
    /// be in its place: `same_chance`. Those that come from the host (`os.urandom`) are
    /// the same only if a [seed](crate::Seed) makes them; its clock goes on in any case.
    ///
    /// What the memory does not hold is made anew or ends: files are opened again
    /// by their paths, connections are closed, and calls of the host that were
    /// under way fail.
    ///
    /// # Errors
    /// [`Error::Snapshot`] if the image is another runtime's or needs more memory
    /// than the limits allow; otherwise as [`execute`](Self::execute). After an
    /// error the interpreter cannot be used.
    pub async fn assume(
        &mut self,
        image: &Image,
        same_chance: bool,
        options: &RunOptions,
    ) -> Result<(), Error> {
        let own = self.body()?.runtime().standing();
        let host = match image.host() {
            Some(host) if same_chance => Some(host.clone()),
            host => host.or(own.as_ref()).map(|host| host.copied(0)),
        };
        let entropy = self.inherit(host, same_chance)?;
        let result = image::put(self, image, entropy.as_deref(), options).await;
        self.poison_after(&result);
        result
    }

    /// Goes on with the host's time and chance from there, if those that it has are of a
    /// seed. Answers what makes the guest's own chance another than the original's.
    fn inherit(
        &mut self,
        host: Option<SeededHost>,
        same_chance: bool,
    ) -> Result<Option<Vec<u8>>, Error> {
        let runtime = self.body()?.runtime();
        if let Some(host) = host {
            runtime.go_on(&host);
        }
        if same_chance {
            return Ok(None);
        }
        entropy_for("copy", runtime).map(Some)
    }

    /// What was not written whole must not be used.
    fn poison_after(&mut self, result: &Result<(), Error>) {
        if result.is_err() && self.state == State::Ready {
            self.poison(Poison::Limit);
        }
    }

    /// Whether it can be used.
    pub fn state(&self) -> State {
        self.state
    }

    /// Makes it unusable; its memory is given back. A closed one stays closed.
    pub fn poison(&mut self, reason: Poison) {
        if self.state != State::Closed {
            self.state = State::Poisoned(reason);
        }
        self.body = None;
    }

    /// Ends it; its memory is given back.
    pub fn close(&mut self) {
        self.retire();
        self.state = State::Closed;
    }

    /// Makes room for the one that is to be in its place. Until that is there, it is
    /// poisoned.
    pub fn release(&mut self) {
        self.retire();
        self.poison(Poison::NotStarted);
    }

    /// Gives its instance to who needs the next, if it is as good as new.
    fn retire(&mut self) {
        let Some(body) = self.body.take() else { return };
        let is_sound = self.is_sound && self.state == State::Ready;
        if is_sound && !self.metered && !std::thread::panicking() {
            // The guest waits for nothing then.
            self.executor.recycle(body, self.lasting).now_or_never();
        }
    }

    pub(crate) fn is_lasting(&self) -> bool {
        self.lasting
    }

    /// Whether its fuel can be counted.
    pub fn is_metered(&self) -> bool {
        self.metered
    }

    /// The runtime it was started from.
    pub fn executor(&self) -> &PythonExecutor<T> {
        &self.executor
    }

    /// The wasmtime store, for inspection. `None` unless it is ready.
    pub fn store(&self) -> Option<&Store<T>> {
        self.body.as_ref().map(|body| &body.store)
    }

    /// The data in the store. `None` unless it is ready.
    pub fn data_mut(&mut self) -> Option<&mut T> {
        self.body.as_mut().map(|body| body.store.data_mut())
    }

    /// The wasmtime store. `None` unless it is ready. Its instance serves no other
    /// interpreter after this one, since the store may be set up otherwise then.
    /// Running the guest by other ways than [`execute`](Self::execute) is not
    /// supported.
    pub fn store_mut(&mut self) -> Option<&mut Store<T>> {
        self.is_sound = false;
        self.body.as_mut().map(|body| &mut body.store)
    }

    /// Whether it can be entered.
    ///
    /// # Errors
    /// [`Error::Poisoned`] or [`Error::Closed`].
    pub fn check(&self) -> Result<(), Error> {
        match self.state {
            State::Ready => Ok(()),
            State::Poisoned(reason) => Err(Error::Poisoned(reason)),
            State::Closed => Err(Error::Closed),
            State::Running => Err(Error::Busy),
        }
    }

    /// What it lives in, or why it cannot be entered.
    pub(crate) fn body(&mut self) -> Result<&mut Body<T>, Error> {
        let refusal = self.check().err().unwrap_or(Error::Busy);
        self.body.as_mut().ok_or(refusal)
    }

    /// A call has begun, which may leave it in the midst of anything.
    pub(crate) fn set_running(&mut self) {
        self.state = State::Running;
    }

    /// A call has ended and left it so. What nobody will wait for any more is
    /// stopped, as far as it lets itself be.
    pub(crate) async fn settle(&mut self, state: State) {
        self.state = state;
        let is_over = state != State::Ready || !self.lasting;
        let rest = self.body.as_mut().filter(|_| is_over).map(|body| body.runtime().rest());
        if state != State::Ready {
            self.body = None;
        }
        if let Some(operations) = rest {
            operations.stop().await;
        }
    }
}

impl<T: RuntimeView> Drop for Interpreter<T> {
    fn drop(&mut self) {
        self.retire();
    }
}

impl<T: RuntimeView> fmt::Debug for Interpreter<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Interpreter").field("state", &self.state()).finish_non_exhaustive()
    }
}
