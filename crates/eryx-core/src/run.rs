use crate::enter::run_fresh;
use crate::limits::ResourceLimits;
use crate::view::RuntimeView;
use crate::{Error, ExecutionOutput, PythonExecutor};
use std::time::Duration;

/// What a run is given besides its code.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct RunOptions {
    /// The name that tracebacks and `__file__` show. `main.py`.
    pub filename: String,
    /// `sys.argv` after the program's own name, which is `filename`. Empty.
    pub args: Vec<String>,
    /// The global variable whose value is the result. `None`: the value of the
    /// last statement, if that is an expression.
    pub result_variable: Option<String>,
    /// What the run may use.
    pub limits: ResourceLimits,
}

impl Default for RunOptions {
    fn default() -> Self {
        Self {
            filename: "main.py".into(),
            args: Vec::new(),
            result_variable: None,
            limits: ResourceLimits::default(),
        }
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

    /// Runs the program to its end.
    ///
    /// Must be called within a tokio runtime that has its timers enabled.
    ///
    /// # Errors
    /// [`Error::Execution`] if the program raised, [`Error::Timeout`],
    /// [`Error::Memory`], [`Error::Output`], [`Error::Stack`] or [`Error::Trap`]
    /// if it was stopped, [`Error::Config`] if the code or an option cannot be.
    pub async fn run(self) -> Result<ExecutionOutput, Error> {
        run_fresh(&self.executor, &self.code, &self.options).await
    }
}
