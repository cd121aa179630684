//! How a run ended. The guest's own word counts only where it is about Python:
//! an outcome that it returned.

use crate::bindings::exports::eryx::runtime::execution::{Exception, Failure, Link, Outcome};
use crate::budget::OutputFull;
use crate::engine::WASM_STACK;
use crate::error::{ChainLink, ChainedException};
use crate::limits::ResourceLimits;
use crate::view::RuntimeCtx;
use crate::{Error, ExecutionOutput, Frame, PythonException, PythonValue, Stopped};
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
                output.truncated.result = value.truncated;
                let text = value.text;
                output.result = Some(if value.json {
                    PythonValue::Json(text)
                } else {
                    PythonValue::Repr(text)
                });
            }
            Ok(output)
        }
        Ok(Outcome::Exited(status)) => {
            output.exit_status = status;
            Ok(output)
        }
        Ok(Outcome::Raised(failure)) => Err(Error::Execution(Box::new(raised(failure, output)))),
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

fn raised(failure: Failure, output: ExecutionOutput) -> PythonException {
    let mut chain = failure.chain.into_iter();
    // The guest library always names one; a guest that was tampered with may
    // not.
    let first = chain.next().map(chained);
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
        chain: chain.map(chained).collect(),
        traceback: failure.traceback,
        output,
    }
}

fn chained(one: Exception) -> ChainedException {
    let frames = one.frames.into_iter().map(|frame| Frame {
        filename: frame.filename,
        line: frame.line,
        function: frame.function,
        source: frame.source,
    });
    ChainedException {
        link: match one.link {
            Link::Context => ChainLink::Context,
            Link::Cause | Link::Uncaught => ChainLink::Cause,
        },
        type_name: one.type_name,
        message: one.message,
        frames: frames.collect(),
        notes: one.notes,
    }
}
