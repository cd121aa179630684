//! How a run ended. The guest's own word counts only where it is about Python:
//! an outcome that it returned. It is kept to the limits here once more.

use crate::bindings::exports::eryx::runtime::execution::{Outcome, Value};
use crate::budget::OutputFull;
use crate::engine::WASM_STACK;
use crate::limits::ResourceLimits;
use crate::raised::raised;
use crate::text::cut;
use crate::view::RuntimeCtx;
use crate::{Error, ExecutionOutput, PythonValue, Stopped};
use serde::de::IgnoredAny;
use std::time::Duration;
use wasmtime::Trap;

/// Why the host did not wait for the end.
#[derive(Debug, Clone, Copy, thiserror::Error)]
pub(crate) enum Early {
    /// The time was over.
    #[error("the deadline has passed")]
    DeadlinePassed,
    /// The embedder asked for the end.
    #[error("the run was cancelled")]
    Cancelled,
}

impl Early {
    pub(crate) fn error(self, limits: &ResourceLimits, output: ExecutionOutput) -> Error {
        match self {
            Self::DeadlinePassed => {
                let limit = limits.timeout.unwrap_or(Duration::MAX);
                Error::Timeout(Stopped::new(limit, output))
            }
            Self::Cancelled => Error::Cancelled(Stopped::new((), output)),
        }
    }
}

pub(crate) fn judge(
    ended: wasmtime::Result<Outcome>,
    runtime: &mut RuntimeCtx,
    limits: &ResourceLimits,
    fuel: Option<u64>,
) -> Result<ExecutionOutput, Error> {
    let mut output = runtime.take_output();
    output.fuel_consumed = fuel;
    match ended {
        Ok(Outcome::Finished(value)) => {
            if let Some(value) = value {
                let (value, truncated) = result(value, limits);
                output.result = Some(value);
                output.truncated.result = truncated;
            }
            Ok(output)
        }
        Ok(Outcome::Exited(status)) => {
            output.exit_status = status;
            Ok(output)
        }
        Ok(Outcome::Raised(failure)) => {
            Err(Error::Execution(Box::new(raised(failure, output, limits))))
        }
        Err(error) => Err(stopped(error, runtime, output, limits)),
    }
}

/// The result as far as it may be kept, and whether it was cut. That it is JSON the
/// guest says, and may not be so if it was tampered with.
fn result(value: Value, limits: &ResourceLimits) -> (PythonValue, bool) {
    let limit = usize::try_from(limits.result_bytes).unwrap_or(usize::MAX);
    let is_too_long = value.text.len() > limit;
    let text = cut(value.text, limit);
    let is_json = value.json && !is_too_long && serde_json::from_str::<IgnoredAny>(&text).is_ok();
    let kept = if is_json { PythonValue::Json(text) } else { PythonValue::Repr(text) };
    (kept, value.truncated || is_too_long)
}

/// Why the host ended a call that is no program's.
pub(crate) fn ended_early(
    error: wasmtime::Error,
    runtime: &mut RuntimeCtx,
    limits: &ResourceLimits,
) -> Error {
    let output = runtime.take_output();
    stopped(error, runtime, output, limits)
}

/// Why the host ended a run.
fn stopped(
    error: wasmtime::Error,
    runtime: &RuntimeCtx,
    output: ExecutionOutput,
    limits: &ResourceLimits,
) -> Error {
    if let Some(early) = error.downcast_ref::<Early>() {
        return early.error(limits, output);
    }
    if error.is::<OutputFull>() {
        let limit = if output.truncated.stderr { limits.stderr_bytes } else { limits.stdout_bytes };
        return Error::Output(Stopped::new(limit, output));
    }
    match error.downcast_ref::<Trap>() {
        Some(Trap::OutOfFuel) => {
            let limit = limits.fuel.unwrap_or_default();
            let consumed = output.fuel_consumed.unwrap_or(limit);
            Error::FuelExhausted { consumed, limit, output: Box::new(output) }
        }
        Some(Trap::StackOverflow) => {
            let limit = u64::try_from(WASM_STACK).unwrap_or(u64::MAX);
            Error::Stack(Stopped::new(limit, output))
        }
        Some(_) if runtime.memory.was_full() => {
            Error::Memory(Stopped::new(limits.memory_bytes, output))
        }
        _ => Error::Trap(Stopped::new(error, output)),
    }
}
