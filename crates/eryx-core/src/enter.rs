//! The one place where the guest is entered and its end is judged.

use crate::bindings::exports::eryx::runtime::execution::{self, Outcome, Program};
use crate::budget::OutputFull;
use crate::engine::WASM_STACK;
use crate::limits::ResourceLimits;
use crate::run::RunOptions;
use crate::view::{RuntimeCtx, RuntimeView};
use crate::{Error, ExecutionOutput, Frame, PythonException, PythonExecutor, PythonValue, Stopped};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use wasmtime::{Store, Trap, UpdateDeadline};

/// The largest program. Compiling takes some fifty times its size in memory.
const LARGEST_SOURCE: usize = 16 << 20;

/// Bytes that may cross from the guest in one call.
const HOST_CALL_BYTES: usize = 16 << 20;

/// The guest ran until its deadline.
#[derive(Debug, thiserror::Error)]
#[error("the deadline has passed")]
struct DeadlinePassed;

/// Runs `code` in an instance of its own.
#[tracing::instrument(name = "run", level = "debug", skip_all)]
pub(crate) async fn run_fresh<T: RuntimeView>(
    executor: &PythonExecutor<T>,
    code: &str,
    options: &RunOptions,
) -> Result<ExecutionOutput, Error> {
    let started = Instant::now();
    let limits = &options.limits;
    limits.check()?;
    let program = program(code, options)?;

    let runtime = RuntimeCtx::new(limits, started);
    let mut store = Store::new(executor.engine().engine(), executor.new_state(runtime));
    store.limiter(|data| &mut data.runtime().memory);
    store.set_hostcall_fuel(HOST_CALL_BYTES);
    // A deadline too far away to be counted is none.
    let deadline = limits.timeout.and_then(|timeout| started.checked_add(timeout));
    watch(&mut store, deadline);

    let _ticking = executor.engine().ticking();
    let call = call(executor, &mut store, &program);
    let ended = match deadline {
        None => call.await,
        Some(deadline) => match tokio::time::timeout_at(deadline.into(), call).await {
            Ok(ended) => ended,
            Err(_) => Err(Failure::Run(DeadlinePassed.into())),
        },
    };
    judge(ended, store.data_mut().runtime(), limits)
}

/// Checks what the embedder gave and puts it in the guest's terms.
fn program(code: &str, options: &RunOptions) -> Result<Program, Error> {
    // As Python does when it reads a file.
    let source = code.strip_prefix('\u{feff}').unwrap_or(code);
    if let Some(position) = source.find('\0') {
        return Err(Error::Config(format!(
            "the source code holds a NUL character, at byte {position}: Python code cannot"
        )));
    }
    if source.len() > LARGEST_SOURCE {
        return Err(Error::Config(format!(
            "the source code has {} bytes; more than {LARGEST_SOURCE} are refused",
            source.len()
        )));
    }
    let mut argv = vec![options.filename.clone()];
    argv.extend(options.args.iter().cloned());
    if argv.iter().any(|text| text.contains('\0')) {
        return Err(Error::Config(
            "the file name or an argument holds a NUL character: no program could be given it"
                .into(),
        ));
    }
    Ok(Program {
        source: source.to_owned(),
        filename: options.filename.clone(),
        argv,
        result_variable: options.result_variable.clone(),
        entropy: entropy()?,
        started: since_1970(),
        result_limit: options.limits.result_bytes,
        traceback_limit: options.limits.traceback_bytes,
    })
}

/// What makes this program's random numbers differ from all others'.
fn entropy() -> Result<Vec<u8>, Error> {
    let mut bytes = vec![0; 32];
    getrandom::fill(&mut bytes)
        .map_err(|error| Error::Instantiation(std::io::Error::other(error).into()))?;
    Ok(bytes)
}

fn since_1970() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(now.as_nanos()).unwrap_or(u64::MAX)
}

/// At each tick the guest lets others run, or ends if its time is over.
fn watch<T: RuntimeView>(store: &mut Store<T>, deadline: Option<Instant>) {
    store.set_epoch_deadline(1);
    store.epoch_deadline_callback(move |_| match deadline {
        Some(deadline) if Instant::now() >= deadline => Err(DeadlinePassed.into()),
        _ => Ok(UpdateDeadline::Yield(1)),
    });
}

/// Where a run failed.
enum Failure {
    Start(wasmtime::Error),
    Run(wasmtime::Error),
}

async fn call<T: RuntimeView>(
    executor: &PythonExecutor<T>,
    store: &mut Store<T>,
    program: &Program,
) -> Result<Outcome, Failure> {
    let sandbox =
        executor.sandbox_pre().instantiate_async(&mut *store).await.map_err(Failure::Start)?;
    let execution = sandbox.eryx_runtime_execution();
    execution.call_execute(&mut *store, program).await.map_err(Failure::Run)
}

/// Says how a run ended. The guest's own word counts only where it is about
/// Python: an outcome that it returned.
fn judge(
    ended: Result<Outcome, Failure>,
    runtime: &mut RuntimeCtx,
    limits: &ResourceLimits,
) -> Result<ExecutionOutput, Error> {
    let mut output = runtime.take_output();
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
        Ok(Outcome::Raised(raised)) => Err(Error::Execution(Box::new(exception(raised, output)))),
        Err(Failure::Start(_)) if runtime.memory.was_refused() => Err(Error::Config(format!(
            "the memory limit of {} bytes is less than the interpreter needs to start",
            limits.memory_bytes
        ))),
        Err(Failure::Start(error)) => Err(Error::Instantiation(error)),
        Err(Failure::Run(error)) => Err(stopped(error, runtime, output, limits)),
    }
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
    if error.is::<OutputFull>() {
        let limit = if output.truncated.stderr { limits.stderr_bytes } else { limits.stdout_bytes };
        return Error::Output(Stopped::new(limit, output));
    }
    match error.downcast_ref::<Trap>() {
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

fn exception(raised: execution::Exception, output: ExecutionOutput) -> PythonException {
    let frames = raised.frames.into_iter().map(|frame| Frame {
        filename: frame.filename,
        line: frame.line,
        function: frame.function,
        source: frame.source,
    });
    PythonException {
        type_name: raised.type_name,
        message: raised.message,
        frames: frames.collect(),
        traceback: raised.traceback,
        output,
    }
}
