use crate::state::World;
use crate::{SandboxBuilder, SandboxState, Session};
use eryx_core::{Error, ExecuteBuilder, Execution, ExecutionOutput, PythonExecutor, RunOptions};

/// A runtime and the options under which it runs programs. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Sandbox {
    executor: PythonExecutor<SandboxState>,
    world: World,
    options: RunOptions,
}

impl Sandbox {
    pub(crate) fn new(
        executor: PythonExecutor<SandboxState>,
        world: World,
        options: RunOptions,
    ) -> Self {
        Self { executor, world, options }
    }

    /// Starts to set up a sandbox with the runtime built into the program.
    pub fn embedded() -> SandboxBuilder {
        SandboxBuilder::new()
    }

    /// Starts to set up a sandbox; unless told otherwise, with the runtime
    /// built into the program.
    pub fn builder() -> SandboxBuilder {
        SandboxBuilder::new()
    }

    /// Runs a program in an interpreter of its own.
    ///
    /// Must be called within a tokio runtime that has its timers enabled.
    ///
    /// # Errors
    /// How a run can end: see [`Error`]. The error carries the output.
    pub async fn execute(&self, code: impl Into<String>) -> Result<ExecutionOutput, Error> {
        self.prepare(code).run().await
    }

    /// Prepares a run with this sandbox's options, which can be changed for it:
    /// its limits, who listens to its output.
    pub fn prepare(&self, code: impl Into<String>) -> ExecuteBuilder<SandboxState> {
        self.executor.execute(code).with_options(self.options.clone())
    }

    /// Runs a program as a task of its own, which can be cancelled.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn execute_cancellable(&self, code: impl Into<String>) -> Execution {
        self.prepare(code).spawn()
    }

    /// Starts an interpreter that lasts, with this sandbox's options.
    ///
    /// # Errors
    /// As [`PythonExecutor::start`].
    pub async fn session(&self) -> Result<Session, Error> {
        Session::start(self).await
    }

    /// Has instances for so many programs and as many sessions wait: as
    /// [`PythonExecutor::warm_up`], where it is told what it costs and what it is worth.
    ///
    /// # Errors
    /// As [`PythonExecutor::warm_up`].
    pub async fn warm_up(&self, instances: usize) -> Result<(), Error> {
        self.executor().warm_up(instances).await
    }

    pub(crate) fn world(&self) -> &World {
        &self.world
    }

    pub(crate) fn options(&self) -> &RunOptions {
        &self.options
    }

    /// The runtime.
    pub fn executor(&self) -> &PythonExecutor<SandboxState> {
        &self.executor
    }
}
