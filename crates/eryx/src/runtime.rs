//! The runtime that is built into the program, loaded once in a process.

use eryx_core::{
    CompileEvent, Error, ExecutorBuilder, MinimalState, PythonExecutor, RuntimeSource,
};
use std::sync::{Mutex, OnceLock, PoisonError};

static LOADED: OnceLock<PythonExecutor> = OnceLock::new();
static LOADING: Mutex<()> = Mutex::new(());

#[cfg(has_runtime)]
const BUILT_IN: Option<RuntimeSource> = Some(include!(concat!(env!("OUT_DIR"), "/runtime.rs")));

#[cfg(not(has_runtime))]
const BUILT_IN: Option<RuntimeSource> = None;

/// The loaded runtime. Who comes first loads it and is told if it has to be
/// compiled; a failure is tried again by the next.
pub(crate) fn embedded(notice: impl Fn(CompileEvent) + 'static) -> Result<PythonExecutor, Error> {
    if let Some(executor) = LOADED.get() {
        return Ok(executor.clone());
    }
    let _one_loads = LOADING.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(executor) = LOADED.get() {
        return Ok(executor.clone());
    }
    let executor = ExecutorBuilder::new(BUILT_IN.ok_or(Error::RuntimeMissing)?)
        .on_compile(notice)
        .build(MinimalState::new)?;
    Ok(LOADED.get_or_init(|| executor).clone())
}
