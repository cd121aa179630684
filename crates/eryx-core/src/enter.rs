//! The one place where the guest is entered.

use crate::body::Body;
use crate::engine::PythonEngine;
use crate::interpreter::{Interpreter, Poison, State};
use crate::judge::{Early, judge};
use crate::program::{entropy_for, program};
use crate::run::RunOptions;
use crate::view::RuntimeView;
use crate::{Error, ExecutionOutput, PythonExecutor};
use std::time::Instant;
use tokio_util::sync::CancellationToken;
use wasmtime::{Store, UpdateDeadline};

/// Starts an interpreter, for one run or for several, in a run's own time.
pub(crate) async fn start<T: RuntimeView>(
    executor: &PythonExecutor<T>,
    options: &RunOptions,
    lasting: bool,
) -> Result<Interpreter<T>, Error> {
    within(options, Interpreter::start(executor, &options.limits, options.seed, lasting)).await
}

/// Waits for what comes before the guest is entered, in a run's own time.
pub(crate) async fn within<R>(
    options: &RunOptions,
    work: impl Future<Output = Result<R, Error>>,
) -> Result<R, Error> {
    let started = options.started();
    until(deadline(options, started), options.cancellation.as_ref(), work)
        .await
        .unwrap_or_else(|early| Err(before_the_start(early, options, started)))
}

/// Runs `code` in an interpreter.
#[tracing::instrument(name = "run", level = "debug", skip_all)]
pub(crate) async fn execute<T: RuntimeView>(
    interpreter: &mut Interpreter<T>,
    code: &str,
    options: &RunOptions,
) -> Result<ExecutionOutput, Error> {
    options.limits.check()?;
    if options.limits.fuel.is_some() && !interpreter.is_metered() {
        return Err(Error::Config(
            "the interpreter was started without a fuel limit and cannot count fuel now: start it \
             with one"
                .into(),
        ));
    }
    let program = {
        let executor = interpreter.executor().clone();
        let (lasting, is_first) = (interpreter.is_lasting(), interpreter.programs == 0);
        let runtime = &*interpreter.body()?.runtime();
        let entropy = if is_first { entropy_for("program", runtime)? } else { Vec::new() };
        program(code, options, executor.extensions(), lasting, entropy, runtime)?
    };
    let ended = enter(interpreter, options, async |body| {
        body.store.data_mut().begin_run();
        body.sandbox.eryx_runtime_execution().call_execute(&mut body.store, &program).await
    })
    .await?;
    interpreter.programs += 1;
    let limits = &options.limits;
    let body = interpreter.body()?;
    body.runtime().catch_up().await;
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
/// the deadline or when the run is cancelled. If that was before, it is not entered.
///
/// The interpreter is left as running: who judges the end says what it is then.
pub(crate) async fn enter<T: RuntimeView, R>(
    interpreter: &mut Interpreter<T>,
    options: &RunOptions,
    call: impl AsyncFnOnce(&mut Body<T>) -> wasmtime::Result<R>,
) -> Result<wasmtime::Result<R>, Error> {
    options.limits.check()?;
    interpreter.body()?;
    let started = options.started();
    let deadline = deadline(options, started);
    if let Some(early) = is_over(deadline, options) {
        return Err(before_the_start(early, options, started));
    }
    let engine = engine(interpreter, options).await?;
    let running = Running::begin(interpreter);
    let body = running.interpreter.body()?;
    body.runtime().begin(options, started);
    body.store.set_hostcall_fuel(options.limits.host_call_bytes());
    watch(&mut body.store, deadline);

    let _ticking = engine.ticking();
    let ended = until(deadline, options.cancellation.as_ref(), call(body)).await;
    running.end();
    Ok(ended.unwrap_or_else(|early| Err(early.into())))
}

/// When the run's time is over. A deadline too far away to be counted is none.
fn deadline(options: &RunOptions, started: Instant) -> Option<Instant> {
    options.limits.timeout.and_then(|timeout| started.checked_add(timeout))
}

/// Whether the run has ended before it began.
fn is_over(deadline: Option<Instant>, options: &RunOptions) -> Option<Early> {
    if options.cancellation.as_ref().is_some_and(CancellationToken::is_cancelled) {
        return Some(Early::Cancelled);
    }
    deadline.is_some_and(|deadline| Instant::now() >= deadline).then_some(Early::DeadlinePassed)
}

/// A run that ended before the guest was entered for it.
fn before_the_start(early: Early, options: &RunOptions, started: Instant) -> Error {
    let output = ExecutionOutput { duration: started.elapsed(), ..ExecutionOutput::default() };
    early.error(&options.limits, output)
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

/// The engine that drives the interpreter, after its fuel has been filled.
async fn engine<T: RuntimeView>(
    interpreter: &mut Interpreter<T>,
    options: &RunOptions,
) -> Result<PythonEngine, Error> {
    if !interpreter.is_metered() {
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
        Some(deadline) if Instant::now() >= deadline => Err(Early::DeadlinePassed.into()),
        // Tokio's own way. Another would keep the thread from looking at timers and
        // sockets as long as it has guests to run.
        _ => Ok(UpdateDeadline::YieldCustom(1, Box::pin(tokio::task::yield_now()))),
    });
}

/// Waits for `work`, but no longer than it may take.
async fn until<R>(
    deadline: Option<Instant>,
    cancellation: Option<&CancellationToken>,
    work: impl Future<Output = R>,
) -> Result<R, Early> {
    let timed = async {
        match deadline {
            None => Ok(work.await),
            Some(deadline) => tokio::time::timeout_at(deadline.into(), work)
                .await
                .map_err(|_| Early::DeadlinePassed),
        }
    };
    match cancellation {
        None => timed.await,
        Some(token) => token.run_until_cancelled(timed).await.unwrap_or(Err(Early::Cancelled)),
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
