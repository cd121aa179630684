//! What a run left, as one JSON object.

use crate::say::Refusal;
use eryx::{Error, ExecutionOutput, PythonValue};
use serde::Serialize;
use serde_json::value::RawValue;

#[derive(Serialize)]
pub(crate) struct Report<'a> {
    /// `ok`, `exit`, or the kind of end.
    outcome: &'static str,
    exit_status: i32,
    stdout: &'a str,
    stderr: &'a str,
    /// The value of the last statement, as JSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<Box<RawValue>>,
    /// The `repr` of a value that JSON cannot hold.
    #[serde(skip_serializing_if = "Option::is_none")]
    result_repr: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<ErrorReport<'a>>,
    truncated: Truncated,
    duration_ms: f64,
    peak_memory_bytes: u64,
}

#[derive(Serialize)]
struct ErrorReport<'a> {
    message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    exception: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    traceback: Option<&'a str>,
}

#[derive(Serialize)]
struct Truncated {
    stdout: bool,
    stderr: bool,
    result: bool,
}

impl<'a> Report<'a> {
    pub(crate) fn new(
        outcome: &'static str,
        exit_status: i32,
        output: &'a ExecutionOutput,
        error: Option<&'a Error>,
    ) -> Self {
        Self::with(outcome, exit_status, output, error.map(ErrorReport::new))
    }

    /// There was no run: `nothing` is what it left.
    pub(crate) fn refused(refusal: &Refusal, nothing: &'a ExecutionOutput) -> Self {
        let error =
            ErrorReport { message: refusal.message.clone(), exception: None, traceback: None };
        let (outcome, status) = (refusal.exit.outcome(), refusal.exit.status());
        Self::with(outcome, status.into(), nothing, Some(error))
    }

    fn with(
        outcome: &'static str,
        exit_status: i32,
        output: &'a ExecutionOutput,
        error: Option<ErrorReport<'a>>,
    ) -> Self {
        let (result, result_repr) = match &output.result {
            Some(PythonValue::Json(text)) => (RawValue::from_string(text.clone()).ok(), None),
            Some(value) => (None, Some(value.as_str())),
            None => (None, None),
        };
        Self {
            outcome,
            exit_status,
            stdout: &output.stdout,
            stderr: &output.stderr,
            result,
            result_repr,
            error,
            truncated: Truncated {
                stdout: output.truncated.stdout,
                stderr: output.truncated.stderr,
                result: output.truncated.result,
            },
            duration_ms: output.duration.as_secs_f64() * 1e3,
            peak_memory_bytes: output.peak_memory_bytes,
        }
    }
}

impl<'a> ErrorReport<'a> {
    fn new(error: &'a Error) -> Self {
        let exception = match error {
            Error::Execution(exception) => Some(exception),
            _ => None,
        };
        Self {
            message: error.to_string(),
            exception: exception.map(|exception| exception.type_name.as_str()),
            traceback: exception.map(|exception| exception.traceback.as_str()),
        }
    }
}
