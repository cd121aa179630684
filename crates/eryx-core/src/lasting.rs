//! What lasts in an interpreter from one program to the next: saved, restored,
//! cleared. The guest is entered as for any program.

use crate::bindings::exports::eryx::runtime::state::{Omission as GuestOmission, Refusal};
use crate::enter::{enter, state_after};
use crate::interpreter::{HOST_CALL_BYTES, Interpreter, State};
use crate::judge::ended_early;
use crate::run::RunOptions;
use crate::view::{RuntimeCtx, RuntimeView};
use crate::{Error, Omission, SnapshotError, Stopped};

/// Besides a snapshot's bytes: what is told of variables that are left out.
const MORE_THAN_BYTES: u64 = 4 << 20;

pub(crate) async fn save<T: RuntimeView>(
    interpreter: &mut Interpreter<T>,
    limit: u64,
    partly: bool,
    open_files: bool,
    options: &RunOptions,
) -> Result<(Vec<u8>, Vec<Omission>), Error> {
    // The guest refuses to make more; if it lies, the call fails before the host
    // takes it.
    let crossing = usize::try_from(limit.saturating_add(MORE_THAN_BYTES)).unwrap_or(usize::MAX);
    let ended = enter(interpreter, options, async |body| {
        body.store.set_hostcall_fuel(crossing.max(HOST_CALL_BYTES));
        let state = body.sandbox.eryx_runtime_state();
        state.call_save(&mut body.store, limit, partly, open_files).await
    })
    .await?;
    let saved = settle(interpreter, options, ended).await?;
    let saved = saved.map_err(|refusal| refused(refusal, limit, interpreter, options))?;
    Ok((saved.bytes, saved.omitted.into_iter().map(omission).collect()))
}

pub(crate) async fn restore<T: RuntimeView>(
    interpreter: &mut Interpreter<T>,
    bytes: &[u8],
    options: &RunOptions,
) -> Result<(), Error> {
    let bytes = bytes.to_vec();
    let size = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    let ended = enter(interpreter, options, async |body| {
        let state = body.sandbox.eryx_runtime_state();
        if !state.call_has_room(&mut body.store, size).await? {
            return Ok(Err(Refusal::NoMemory(size)));
        }
        state.call_restore(&mut body.store, &bytes).await
    })
    .await?;
    let restored = settle(interpreter, options, ended).await?;
    restored.map_err(|refusal| refused(refusal, 0, interpreter, options))
}

pub(crate) async fn clear<T: RuntimeView>(
    interpreter: &mut Interpreter<T>,
    options: &RunOptions,
) -> Result<(), Error> {
    let ended = enter(interpreter, options, async |body| {
        body.sandbox.eryx_runtime_state().call_clear(&mut body.store).await
    })
    .await?;
    settle(interpreter, options, ended).await
}

/// Says what the interpreter is after a call, and what came of that.
pub(crate) async fn settle<T: RuntimeView, R>(
    interpreter: &mut Interpreter<T>,
    options: &RunOptions,
    ended: wasmtime::Result<R>,
) -> Result<R, Error> {
    let runtime = interpreter.body()?.runtime();
    let result = ended.map_err(|error| ended_early(error, runtime, &options.limits));
    let state = match &result {
        Ok(_) => State::Ready,
        Err(error) => state_after(error),
    };
    interpreter.settle(state).await;
    result
}

fn refused<T: RuntimeView>(
    refusal: Refusal,
    limit: u64,
    interpreter: &mut Interpreter<T>,
    options: &RunOptions,
) -> Error {
    let runtime = match interpreter.body() {
        Ok(body) => body.runtime(),
        Err(error) => return error,
    };
    Error::Snapshot(match refusal {
        Refusal::Unsaveable(all) => {
            SnapshotError::Unsaveable(all.into_iter().map(omission).collect())
        }
        Refusal::TooLarge(size) => SnapshotError::TooLarge { size, limit },
        Refusal::NoMemory(bytes) => SnapshotError::Memory {
            size: runtime.memory().size().saturating_add(bytes),
            limit: options.limits.memory_bytes,
        },
        Refusal::Unusable(reason) => SnapshotError::Unusable(reason),
        Refusal::Stopped => return stopped(runtime, options),
    })
}

/// The guest says that it was asked to end. That is believed if it was.
fn stopped(runtime: &mut RuntimeCtx, options: &RunOptions) -> Error {
    match options.limits.soft_timeout {
        Some(limit) if runtime.was_asked_to_stop() => {
            Error::Timeout(Stopped::new(limit, runtime.take_output()))
        }
        _ => Error::Snapshot(SnapshotError::Unusable("it claims to have been stopped".into())),
    }
}

fn omission(one: GuestOmission) -> Omission {
    Omission { name: one.name, type_name: one.type_name, reason: one.reason }
}
