use crate::SandboxState;
use eryx_core::{Callbacks, Error, ExecutionOutput, PythonExecutor, RunOptions, State};
use eryx_session::{PythonStateSnapshot, SessionExecutor};
use std::sync::Arc;
use tokio::sync::{Mutex, MutexGuard};

/// A live interpreter under a sandbox's options. Clones are the same session, and
/// several tasks can hold one.
///
/// One run goes on at a time: a second one meanwhile fails with [`Error::Busy`],
/// also from a callback of the first.
#[derive(Debug, Clone)]
pub struct Session {
    inner: Arc<Mutex<SessionExecutor<SandboxState>>>,
    callbacks: Callbacks,
}

impl Session {
    pub(crate) async fn start(
        executor: PythonExecutor<SandboxState>,
        options: RunOptions,
    ) -> Result<Self, Error> {
        let callbacks = options.callbacks.clone();
        let session = SessionExecutor::with_options(executor, options).await?;
        Ok(Self { inner: Arc::new(Mutex::new(session)), callbacks })
    }

    /// Runs a program that finds what earlier ones left.
    ///
    /// # Errors
    /// How a run can end; [`Error::Busy`], [`Error::Poisoned`] or
    /// [`Error::Closed`] if it cannot begin.
    pub async fn execute(&self, code: impl Into<String>) -> Result<ExecutionOutput, Error> {
        self.lock()?.execute(code).run().await
    }

    /// The session itself, for everything else that it can: limits of a run,
    /// streaming, tracing.
    ///
    /// # Errors
    /// [`Error::Busy`] while something runs.
    pub fn lock(&self) -> Result<MutexGuard<'_, SessionExecutor<SandboxState>>, Error> {
        self.inner.try_lock().map_err(|_| Error::Busy)
    }

    /// Whether it can be used now.
    pub fn state(&self) -> State {
        self.inner.try_lock().map_or(State::Running, |session| session.state())
    }

    /// Saves all variables by value.
    ///
    /// # Errors
    /// As [`SessionExecutor::snapshot_state`]; [`Error::Busy`] while something
    /// runs.
    pub async fn snapshot_state(&self) -> Result<PythonStateSnapshot, Error> {
        self.lock()?.snapshot_state().await
    }

    /// Puts a snapshot's variables in the place of those that there are.
    ///
    /// # Errors
    /// As [`SessionExecutor::restore_state`]; [`Error::Busy`] while something
    /// runs.
    pub async fn restore_state(&self, snapshot: &PythonStateSnapshot) -> Result<(), Error> {
        self.lock()?.restore_state(snapshot).await
    }

    /// Forgets all variables, in the same interpreter.
    ///
    /// # Errors
    /// As [`SessionExecutor::clear_state`]; [`Error::Busy`] while something runs.
    pub async fn clear_state(&self) -> Result<(), Error> {
        self.lock()?.clear_state().await
    }

    /// Gives the session a new interpreter: what brings a poisoned one back.
    ///
    /// # Errors
    /// As [`SessionExecutor::reset`]; [`Error::Busy`] while something runs.
    pub async fn reset(&self) -> Result<(), Error> {
        self.lock()?.reset(&self.callbacks).await
    }

    /// Ends the session; every further call fails with [`Error::Closed`].
    ///
    /// # Errors
    /// [`Error::Busy`] while something runs.
    pub fn close(&self) -> Result<(), Error> {
        self.lock()?.close();
        Ok(())
    }
}
