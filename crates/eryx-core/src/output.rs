use crate::{OutputText, TraceEvent};
use std::time::Duration;

/// What a run left behind, however it ended.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct ExecutionOutput {
    /// What was printed to descriptor 1.
    pub stdout: OutputText,
    /// What was printed to descriptor 2. An exception that nobody caught is not
    /// in it but in the error.
    pub stderr: OutputText,
    /// The value of the last statement, if that is an expression and not
    /// `None`; or of the variable that was asked for.
    pub result: Option<PythonValue>,
    /// 0, or what the program gave `sys.exit`.
    pub exit_status: i32,
    /// The most linear memory the interpreter had.
    pub peak_memory_bytes: u64,
    /// Wall time, the interpreter's start included.
    pub duration: Duration,
    /// How many callbacks the program called.
    pub callback_invocations: u64,
    /// How much fuel the run took. `None` unless it was
    /// [limited](crate::ResourceLimits::fuel).
    pub fuel_consumed: Option<u64>,
    /// What the program did, if it was [traced](crate::TraceOptions).
    pub trace: Vec<TraceEvent>,
    /// What a limit cut.
    pub truncated: Truncated,
}

/// What did not fit into its limit and was cut.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
#[expect(clippy::struct_excessive_bools, reason = "each tells of another field")]
pub struct Truncated {
    /// [`ExecutionOutput::stdout`].
    pub stdout: bool,
    /// [`ExecutionOutput::stderr`].
    pub stderr: bool,
    /// [`ExecutionOutput::result`].
    pub result: bool,
    /// [`ExecutionOutput::trace`].
    pub trace: bool,
}

/// A Python value that left the sandbox as text.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum PythonValue {
    /// The value as JSON, after the rules of Python's `json.dumps`; integers
    /// have all their digits.
    Json(String),
    /// The `repr` of a value that JSON cannot hold.
    Repr(String),
}

impl PythonValue {
    /// The JSON text or the `repr`.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Json(text) | Self::Repr(text) => text,
        }
    }
}
