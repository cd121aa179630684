//! The one place where the guest is entered.

use crate::body::Body;
use crate::engine::PythonEngine;
use crate::interpreter::{HOST_CALL_BYTES, Interpreter, Poison, State};
use crate::judge::{Cancelled, DeadlinePassed, judge};
use crate::limits::ResourceLimits;
use crate::program::program;
use crate::run::RunOptions;
use crate::view::RuntimeView;
use crate::{Error, ExecutionOutput};
use std::time::Instant;
use tokio_util::sync::CancellationToken;
use wasmtime::{Store, UpdateDeadline};

/// Runs `code` in an interpreter.
#[tracing::instrument(name = "run", level = "debug", skip_all)]
pub(crate) async fn execute<T: RuntimeView>(
    interpreter: &mut Interpreter<T>,
    code: &str,
    options: &RunOptions,
) -> Result<ExecutionOutput, Error> {
    let started = Instant::now();
    options.limits.check()?;
    let program = {
        let executor = interpreter.executor().clone();
        let lasting = interpreter.is_lasting();
        let runtime = interpreter.body()?.runtime();
        let (clock, seed) = (runtime.clock(), runtime.seed());
        program(code, options, executor.extensions(), lasting, clock, seed)?
    };
    interpreter.body()?.store.data_mut().begin_run();
    let ended = enter(interpreter, options, started, async |body| {
        body.sandbox.eryx_runtime_execution().call_execute(&mut body.store, &program).await
    })
    .await?;
    let limits = &options.limits;
    let body = interpreter.body()?;
    let fuel = limits.fuel.map(|limit| {
        let left = body.store.get_fuel().unwrap_or_default();
        limit.saturating_sub(left)
    });
    let result = judge(ended, body.runtime(), limits, fuel);
    let state = result.as_ref().err().map_or(State::Ready, state_after);
    interpreter.settle(state).await;
    result
}

/// Enters the guest under the run's limits; whatever `call` does there ends at
/// the deadline or when the run is cancelled.
///
/// The interpreter is left as running: who judges the end says what it is then.
pub(crate) async fn enter<T: RuntimeView, R>(
    interpreter: &mut Interpreter<T>,
    options: &RunOptions,
    started: Instant,
    call: impl AsyncFnOnce(&mut Body<T>) -> wasmtime::Result<R>,
) -> Result<wasmtime::Result<R>, Error> {
    let limits = &options.limits;
    limits.check()?;
    interpreter.body()?;
    let engine = engine(interpreter, options).await?;
    // A deadline too far away to be counted is none.
    let deadline = limits.timeout.and_then(|timeout| started.checked_add(timeout));
    let running = Running::begin(interpreter);
    let body = running.interpreter.body()?;
    body.runtime().begin(options, started);
    body.store.set_hostcall_fuel(crossing(limits));
    watch(&mut body.store, deadline);

    let _ticking = engine.ticking();
    let ended = until(deadline, options.cancellation.as_ref(), call(body)).await;
    running.end();
    Ok(ended)
}

/// A call that has not come to its end. Dropped in its midst, by a future that is
/// dropped or a panic, it leaves an interpreter that is never entered again, and
/// gives its memory back.
struct Running<'a, T: RuntimeView> {
    interpreter: &'a mut Interpreter<T>,
    has_ended: bool,
}

impl<'a, T: RuntimeView> Running<'a, T> {
    fn begin(interpreter: &'a mut Interpreter<T>) -> Self {
        interpreter.set_running();
        Self { interpreter, has_ended: false }
    }

    fn end(mut self) {
        self.has_ended = true;
    }
}

impl<T: RuntimeView> Drop for Running<'_, T> {
    fn drop(&mut self) {
        if !self.has_ended {
            self.interpreter.poison(Poison::Dropped);
        }
    }
}

/// Bytes that may cross from the guest in one call: no less than the limits let a
/// run's end have, its frames included.
fn crossing(limits: &ResourceLimits) -> usize {
    let end = u64::from(limits.result_bytes) + 4 * u64::from(limits.traceback_bytes) + (1 << 20);
    usize::try_from(end).unwrap_or(usize::MAX).max(HOST_CALL_BYTES)
}

/// The engine that drives the interpreter, after its fuel has been filled.
async fn engine<T: RuntimeView>(
    interpreter: &mut Interpreter<T>,
    options: &RunOptions,
) -> Result<PythonEngine, Error> {
    let metered = interpreter.is_metered();
    if options.limits.fuel.is_some() && !metered {
        return Err(Error::Config(
            "the interpreter was started without a fuel limit and cannot count fuel now: start it \
             with one"
                .into(),
        ));
    }
    if !metered {
        return Ok(interpreter.executor().engine().clone());
    }
    let fuel = options.limits.fuel.unwrap_or(u64::MAX);
    interpreter.body()?.store.set_fuel(fuel).map_err(Error::WasmEngine)?;
    Ok(interpreter.executor().metered().await?.engine.clone())
}

/// At each tick the guest lets others run, or ends if its time is over.
fn watch<T: RuntimeView>(store: &mut Store<T>, deadline: Option<Instant>) {
    store.set_epoch_deadline(1);
    store.epoch_deadline_callback(move |_| match deadline {
        Some(deadline) if Instant::now() >= deadline => Err(DeadlinePassed.into()),
        _ => Ok(UpdateDeadline::Yield(1)),
    });
}

/// Waits for `call`, but no longer than it may take.
async fn until<R>(
    deadline: Option<Instant>,
    cancellation: Option<&CancellationToken>,
    call: impl Future<Output = wasmtime::Result<R>>,
) -> wasmtime::Result<R> {
    let timed = async {
        match deadline {
            None => call.await,
            Some(deadline) => tokio::time::timeout_at(deadline.into(), call)
                .await
                .unwrap_or_else(|_| Err(DeadlinePassed.into())),
        }
    };
    match cancellation {
        None => timed.await,
        Some(token) => {
            token.run_until_cancelled(timed).await.unwrap_or_else(|| Err(Cancelled.into()))
        }
    }
}

/// What an interpreter is after a run that ended so. Python's own ends leave it
/// as good as it was.
pub(crate) fn state_after(error: &Error) -> State {
    match error {
        Error::Execution(_) => State::Ready,
        Error::Cancelled(_) => State::Poisoned(Poison::Cancelled),
        Error::Trap(_) => State::Poisoned(Poison::Trap),
        _ => State::Poisoned(Poison::Limit),
    }
}
