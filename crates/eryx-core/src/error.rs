use crate::{CacheFault, CompiledFault, ExecutionOutput, Poison, SnapshotError};
use std::fmt;
use std::ops::Deref;
use std::path::PathBuf;
use std::time::Duration;

/// Why a runtime could not be loaded, or how a run ended that did not succeed.
///
/// The guest cannot forge the variant: it follows from what the host saw.
/// Errors of a run carry the output up to then: see [`Error::output`].
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The program raised a Python exception that nobody caught.
    #[error("{0}")]
    Execution(Box<PythonException>),

    /// The run took longer than its wall-time limit.
    #[error("the program was stopped after {:?}, its time limit", .0.limit)]
    Timeout(Stopped<Duration>),

    /// The interpreter needed more memory than its limit and could not go on.
    /// (A program that can go on sees Python's `MemoryError`.)
    #[error("the program was stopped at {} bytes of memory, its limit", .0.limit)]
    Memory(Stopped<u64>),

    /// The program printed more than [`OutputPolicy::Stop`] allows.
    ///
    /// [`OutputPolicy::Stop`]: crate::OutputPolicy::Stop
    #[error("the program was stopped after printing {} bytes, its output limit", .0.limit)]
    Output(Stopped<u64>),

    /// The program's calls were nested deeper than the WebAssembly stack holds.
    #[error("the program was stopped: its calls overflowed the stack of {} bytes", .0.limit)]
    Stack(Stopped<u64>),

    /// The run used up its [fuel](crate::ResourceLimits::fuel).
    #[error("the program was stopped after {consumed} units of fuel; its limit is {limit}")]
    FuelExhausted {
        /// What it had used.
        consumed: u64,
        /// What it could use.
        limit: u64,
        /// What the run left behind.
        output: Box<ExecutionOutput>,
    },

    /// The embedder cancelled the run.
    #[error("the program was cancelled")]
    Cancelled(Stopped<()>),

    /// An earlier run was stopped in the midst of something, and the interpreter
    /// is not entered again. Reset the session or start another one.
    #[error("the interpreter cannot be used any more: {0}; reset the session or start another")]
    Poisoned(Poison),

    /// Something else runs in the session.
    #[error("the session is busy with another run: wait for its end, or start another session")]
    Busy,

    /// The state of a session could not be saved or restored. The session is as
    /// it was.
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),

    /// The interpreter was closed.
    #[error("the interpreter was closed: start another")]
    Closed,

    /// The interpreter itself broke off: `os.abort()`, or a fault in C code.
    #[error("the interpreter crashed")]
    Trap(#[source] Stopped<wasmtime::Error>),

    /// A package cannot be used.
    #[error("the package {package} cannot be used")]
    Package {
        /// The package's file or name.
        package: String,
        /// What is wrong with it.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },

    /// The embedder asked for something that cannot be.
    #[error("{0}")]
    Config(String),

    /// There is no runtime to load.
    #[error(
        "no Python runtime is built into this program: run `cargo xtask build-runtime` in eryx's \
         repository, and the program's next build takes it in"
    )]
    RuntimeMissing,

    /// The folder with compiled code is not the user's alone: whoever can write
    /// there could have code of theirs run.
    #[error(
        "native code would be loaded from the cache folder {}, but {fault}", path.display()
    )]
    CacheUntrusted {
        /// The folder.
        path: PathBuf,
        /// Why it is not trusted.
        fault: CacheFault,
    },

    /// A file of the runtime or of the cache could not be read or written.
    #[error("cannot {action} {}", path.display())]
    File {
        /// What was tried: "read", "write".
        action: &'static str,
        /// To what.
        path: PathBuf,
        /// Why it failed.
        #[source]
        source: std::io::Error,
    },

    /// Compiled code that was given cannot be used.
    #[error(transparent)]
    Compiled(Box<CompiledFault>),

    /// The runtime's bytes are not a runtime, or not one for this version.
    #[error(
        "{origin} is damaged or not a runtime of this version of eryx: build it again with \
         `cargo xtask build-runtime`"
    )]
    Initialization {
        /// Where the bytes came from.
        origin: String,
        /// What wasmtime found.
        #[source]
        source: wasmtime::Error,
    },

    /// The WebAssembly engine refused its configuration.
    #[error("the WebAssembly engine could not be set up")]
    WasmEngine(#[source] wasmtime::Error),

    /// As many interpreters live as the engine has places for: runs, sessions,
    /// and those that wait in a pool.
    #[error(
        "all {limit} places for interpreters are taken: end a session, wait for a run to end, or \
         set up an engine with more places"
    )]
    Full {
        /// How many places there are: see
        /// [`PythonEngine::with_instances`](crate::PythonEngine::with_instances).
        limit: u32,
    },

    /// No instance could be had: no memory for it, or no mappings left.
    #[error("no interpreter could be started")]
    Instantiation(#[source] wasmtime::Error),
}

impl Error {
    /// What the run had printed, returned and used when it ended. `None` for
    /// errors that came before the program started.
    pub fn output(&self) -> Option<&ExecutionOutput> {
        match self {
            Self::Execution(exception) => Some(&exception.output),
            Self::Timeout(stopped) => Some(&stopped.output),
            Self::Memory(stopped) | Self::Output(stopped) | Self::Stack(stopped) => {
                Some(&stopped.output)
            }
            Self::Trap(stopped) => Some(&stopped.output),
            Self::Cancelled(stopped) => Some(&stopped.output),
            Self::FuelExhausted { output, .. } => Some(output),
            _ => None,
        }
    }

    pub(crate) fn file(
        action: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { action, path, source }
    }
}

/// A run that the host ended: at which limit, or by what, and what it left.
#[derive(Debug)]
#[non_exhaustive]
pub struct Stopped<T> {
    /// The limit, or the cause.
    pub limit: T,
    /// What the run left behind.
    pub output: Box<ExecutionOutput>,
}

impl<T> Stopped<T> {
    pub(crate) fn new(limit: T, output: ExecutionOutput) -> Self {
        Self { limit, output: Box::new(output) }
    }
}

impl<T> Deref for Stopped<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.limit
    }
}

impl fmt::Display for Stopped<wasmtime::Error> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#}", self.limit)
    }
}

impl std::error::Error for Stopped<wasmtime::Error> {}

/// A Python exception that nobody caught. All texts are the program's own.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct PythonException {
    /// The class with its module; built-in classes and those of the program
    /// without: `ValueError`, `json.decoder.JSONDecodeError`.
    pub type_name: String,
    /// `str()` of the exception.
    pub message: String,
    /// The traceback, from the outermost call to the place that raised. Of very
    /// deep ones the first and the last hundred.
    pub frames: Vec<Frame>,
    /// What `add_note` attached.
    pub notes: Vec<String>,
    /// The exceptions behind this one: its cause or the one that was being
    /// handled, then that one's, and so on. At most 16.
    pub chain: Vec<ChainedException>,
    /// What CPython would have printed, with chained causes and notes. Empty if
    /// the program's own `sys.excepthook` printed it.
    pub traceback: String,
    /// What the run left behind.
    pub output: ExecutionOutput,
}

impl fmt::Display for PythonException {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Guest text goes to logs: no control characters.
        write!(f, "the program raised {}", self.type_name.escape_debug())?;
        if !self.message.is_empty() {
            write!(f, ": {}", self.message.escape_debug())?;
        }
        Ok(())
    }
}

/// An exception that stands behind another.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ChainedException {
    /// How it came to.
    pub link: ChainLink,
    /// As [`PythonException::type_name`].
    pub type_name: String,
    /// As [`PythonException::message`].
    pub message: String,
    /// As [`PythonException::frames`].
    pub frames: Vec<Frame>,
    /// As [`PythonException::notes`].
    pub notes: Vec<String>,
}

/// How an exception comes to stand behind another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ChainLink {
    /// `raise ... from` it.
    Cause,
    /// It was being handled when the other was raised.
    Context,
}

/// One line of a traceback.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Frame {
    /// The file as the traceback names it.
    pub filename: String,
    /// The line, from 1; 0 if it is not known.
    pub line: u32,
    /// The function, `<module>` outside of any.
    pub function: String,
    /// The source line without its indentation; empty if it is not known.
    pub source: String,
}
