//! How a run ended. The guest's own word counts only where it is about Python:
//! an outcome that it returned. It is kept to the limits here once more.

use crate::bindings::exports::eryx::runtime::execution::{
    Exception, Failure, Link, Outcome, Value,
};
use crate::budget::OutputFull;
use crate::engine::WASM_STACK;
use crate::error::{ChainLink, ChainedException};
use crate::limits::ResourceLimits;
use crate::view::RuntimeCtx;
use crate::{Error, ExecutionOutput, Frame, PythonException, PythonValue, Stopped};
use serde::de::IgnoredAny;
use std::time::Duration;
use wasmtime::Trap;

/// The guest ran until its deadline.
#[derive(Debug, thiserror::Error)]
#[error("the deadline has passed")]
pub(crate) struct DeadlinePassed;

/// The embedder asked for the end.
#[derive(Debug, thiserror::Error)]
#[error("the run was cancelled")]
pub(crate) struct Cancelled;

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
                let (value, truncated) = finished(value, limits);
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
            Err(Error::Execution(Box::new(raised(failure, limits, output))))
        }
        Err(error) => Err(stopped(error, runtime, output, limits)),
    }
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
    if error.is::<DeadlinePassed>() {
        let limit = limits.timeout.unwrap_or(Duration::MAX);
        return Error::Timeout(Stopped::new(limit, output));
    }
    if error.is::<Cancelled>() {
        return Error::Cancelled(Stopped::new((), output));
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
        Some(_) if runtime.memory.was_refused() => {
            Error::Memory(Stopped::new(limits.memory_bytes, output))
        }
        _ => Error::Trap(Stopped::new(error, output)),
    }
}

/// The result, and whether it was cut.
fn finished(value: Value, limits: &ResourceLimits) -> (PythonValue, bool) {
    let mut text = value.text;
    let truncated = cut(&mut text, limits.result_bytes) || value.truncated;
    // Looking for that needs no stack, however deep it is nested.
    let is_json = value.json && !truncated && serde_json::from_str::<IgnoredAny>(&text).is_ok();
    (if is_json { PythonValue::Json(text) } else { PythonValue::Repr(text) }, truncated)
}

/// As many as the documentation of [`PythonException`] says.
const LONGEST_CHAIN: usize = 16;
const MOST_FRAMES: usize = 200;
const MOST_NOTES: usize = 100;

fn raised(failure: Failure, limits: &ResourceLimits, output: ExecutionOutput) -> PythonException {
    let limit = limits.traceback_bytes;
    let mut chain = failure.chain.into_iter().map(|one| chained(one, limit));
    // The guest library always names one; a guest that was tampered with may
    // not.
    let first = chain.next();
    let first = first.unwrap_or_else(|| ChainedException {
        link: ChainLink::Cause,
        type_name: "BaseException".into(),
        message: String::new(),
        frames: Vec::new(),
        notes: Vec::new(),
    });
    PythonException {
        type_name: first.type_name,
        message: first.message,
        frames: first.frames,
        notes: first.notes,
        chain: chain.take(LONGEST_CHAIN).collect(),
        traceback: short(failure.traceback, limit),
        output,
    }
}

fn chained(one: Exception, limit: u32) -> ChainedException {
    let frames = one.frames.into_iter().take(MOST_FRAMES).map(|frame| Frame {
        filename: short(frame.filename, limit),
        line: frame.line,
        function: short(frame.function, limit),
        source: short(frame.source, limit),
    });
    ChainedException {
        link: match one.link {
            Link::Context => ChainLink::Context,
            Link::Cause | Link::Uncaught => ChainLink::Cause,
        },
        type_name: short(one.type_name, limit),
        message: short(one.message, limit),
        frames: frames.collect(),
        notes: one.notes.into_iter().take(MOST_NOTES).map(|note| short(note, limit)).collect(),
    }
}

fn short(mut text: String, limit: u32) -> String {
    cut(&mut text, limit);
    text
}

/// Leaves at most so many bytes, whole characters only; whether there were more.
fn cut(text: &mut String, limit: u32) -> bool {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let is_long = text.len() > limit;
    text.truncate(text.floor_char_boundary(limit));
    is_long
}
