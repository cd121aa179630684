use crate::files::FilesSetup;
use crate::network::NetworkSetup;
use crate::state::World;
use crate::{Sandbox, SandboxState, runtime};
use eryx_core::{
    Callback, Callbacks, CompileEvent, Error, PythonEngine, PythonExecutor, ResourceLimits,
    RunOptions, RuntimeSource, Seed, TraceOptions,
};
use std::fmt;
use std::sync::Arc;

/// Sets up a [`Sandbox`].
///
/// | setting | default |
/// |---|---|
/// | runtime | the one built into the program |
/// | interpreters at once | [`PythonEngine::INSTANCES`], in the whole process |
/// | limits | [`ResourceLimits::default`] |
/// | file name | `main.py` |
/// | arguments | none |
/// | environment | empty |
/// | callbacks | none |
/// | time and chance | the host's |
/// | trace | none |
/// | files | of each run its own, in memory |
/// | network | nothing can be reached |
#[must_use = "nothing is loaded before `build`"]
pub struct SandboxBuilder {
    runtime: Runtime,
    instances: Option<u32>,
    options: RunOptions,
    callbacks: Vec<Arc<dyn Callback>>,
    pub(crate) files: FilesSetup,
    pub(crate) network: NetworkSetup,
    notice: Box<dyn Fn(CompileEvent)>,
}

enum Runtime {
    Embedded,
    From(RuntimeSource),
    Loaded(PythonExecutor<SandboxState>),
}

impl SandboxBuilder {
    pub(crate) fn new() -> Self {
        let options = RunOptions::default();
        Self {
            runtime: Runtime::Embedded,
            instances: None,
            options,
            callbacks: Vec::new(),
            files: FilesSetup::default(),
            network: NetworkSetup::default(),
            notice: Box::new(|_| ()),
        }
    }

    /// Loads this runtime instead of the one built in.
    pub fn runtime(mut self, source: RuntimeSource) -> Self {
        self.runtime = Runtime::From(source);
        self
    }

    /// Uses a runtime that is loaded already.
    pub fn executor(mut self, executor: PythonExecutor<SandboxState>) -> Self {
        self.runtime = Runtime::Loaded(executor);
        self
    }

    /// Gives the sandbox an engine of its own with places for so many
    /// interpreters: see [`PythonEngine::with_instances`]. Without this all
    /// sandboxes in a process share one. Has no effect on an
    /// [`executor`](Self::executor) that is loaded already.
    pub fn instances(mut self, most: u32) -> Self {
        self.instances = Some(most);
        self
    }

    /// Sets what each run may use.
    pub fn limits(mut self, limits: ResourceLimits) -> Self {
        self.options.limits = limits;
        self
    }

    /// Sets the name that tracebacks, `__file__` and `sys.argv[0]` show.
    pub fn filename(mut self, filename: impl Into<String>) -> Self {
        self.options.filename = filename.into();
        self
    }

    /// Sets `sys.argv` after the program's own name.
    pub fn args<S: Into<String>>(mut self, args: impl IntoIterator<Item = S>) -> Self {
        self.options.args = args.into_iter().map(Into::into).collect();
        self
    }

    /// Sets an environment variable; of others, programs only see `HOME`.
    pub fn env(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.options.environment.push((name.into(), value.into()));
        self
    }

    /// Makes time and chance the same in each run, and in each session: see [`Seed`].
    pub fn seed(mut self, seed: u64) -> Self {
        self.options.seed = Some(Seed(seed));
        self
    }

    /// Traces what programs do: each run's
    /// [`trace`](eryx_core::ExecutionOutput::trace) has it.
    pub fn trace(mut self, trace: TraceOptions) -> Self {
        self.options.trace = Some(trace);
        self
    }

    /// Lets programs call `callback`.
    ///
    /// ```no_run
    /// # async fn example() -> Result<(), eryx::Error> {
    /// use eryx::{DynamicCallback, Sandbox};
    ///
    /// let answer = DynamicCallback::new("answer", |_| async { Ok(serde_json::json!(42)) });
    /// let sandbox = Sandbox::embedded().callback(answer).build()?;
    /// let output = sandbox.execute("print(await answer())").await?;
    /// assert_eq!(output.stdout, "42\n");
    /// # Ok(())
    /// # }
    /// ```
    pub fn callback(self, callback: impl Callback) -> Self {
        self.callbacks([Arc::new(callback) as _])
    }

    /// Lets programs call these callbacks.
    pub fn callbacks(mut self, callbacks: impl IntoIterator<Item = Arc<dyn Callback>>) -> Self {
        self.callbacks.extend(callbacks);
        self
    }

    /// Is told when the runtime has to be compiled, which takes seconds and
    /// happens once on a machine.
    pub fn on_compile(mut self, notice: impl Fn(CompileEvent) + 'static) -> Self {
        self.notice = Box::new(notice);
        self
    }

    /// Loads the runtime, if this process has not done so before.
    ///
    /// # Errors
    /// [`Error::RuntimeMissing`] if none was built into the program;
    /// [`Error::Config`] if the callbacks cannot be (see [`Callbacks::new`]);
    /// or a mount cannot be; otherwise as
    /// [`ExecutorBuilder::build`](eryx_core::ExecutorBuilder::build).
    pub fn build(mut self) -> Result<Sandbox, Error> {
        self.options.callbacks = Callbacks::new(self.callbacks)?;
        let source = match &self.runtime {
            Runtime::Embedded => runtime::built_in()?,
            Runtime::From(source) => source.clone(),
            Runtime::Loaded(executor) => executor.source().clone(),
        };
        let mounts = self.files.open(&source)?;
        let reach = self.network.open(&mut self.options.environment)?;
        let engine = self.instances.map(PythonEngine::with_instances).transpose()?;
        let executor = match (self.runtime, engine) {
            (Runtime::Embedded, None) => runtime::embedded(self.notice)?,
            (Runtime::Loaded(executor), _) => executor,
            (_, engine) => runtime::load(source, engine, self.notice)?,
        };
        let world = World { mounts, reach };
        Ok(Sandbox::new(world.executor(&executor), world, self.options))
    }
}

impl fmt::Debug for SandboxBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SandboxBuilder").field("options", &self.options).finish_non_exhaustive()
    }
}
