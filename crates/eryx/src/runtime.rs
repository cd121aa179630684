//! The runtime that is built into the program, loaded once in a process.

use crate::SandboxState;
use crate::files::FilesSetup;
use crate::network::{EXTENSIONS, Reach};
use crate::state::World;
use eryx_core::{
    CompileEvent, Error, ExecutorBuilder, PythonEngine, PythonExecutor, RuntimeSource,
};
use std::sync::{Mutex, OnceLock, PoisonError};

static LOADED: OnceLock<PythonExecutor<SandboxState>> = OnceLock::new();
static LOADING: Mutex<()> = Mutex::new(());

#[cfg(has_runtime)]
const BUILT_IN: Option<RuntimeSource> = Some(include!(concat!(env!("OUT_DIR"), "/runtime.rs")));

#[cfg(not(has_runtime))]
const BUILT_IN: Option<RuntimeSource> = None;

/// The loaded runtime. Who comes first loads it and is told if it has to be
/// compiled; a failure is tried again by the next.
pub(crate) fn embedded(
    notice: impl Fn(CompileEvent) + 'static,
) -> Result<PythonExecutor<SandboxState>, Error> {
    if let Some(executor) = LOADED.get() {
        return Ok(executor.clone());
    }
    let _one_loads = LOADING.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(executor) = LOADED.get() {
        return Ok(executor.clone());
    }
    let executor = load(built_in()?, None, notice)?;
    Ok(LOADED.get_or_init(|| executor).clone())
}

pub(crate) fn built_in() -> Result<RuntimeSource, Error> {
    BUILT_IN.ok_or(Error::RuntimeMissing)
}

/// Loads a runtime with all that a sandbox links, for this engine or one of its
/// own.
pub(crate) fn load(
    source: RuntimeSource,
    engine: Option<PythonEngine>,
    notice: impl Fn(CompileEvent) + 'static,
) -> Result<PythonExecutor<SandboxState>, Error> {
    let mounts = FilesSetup::default().open(&source)?;
    let world = World { mounts, reach: Reach::default() };
    let builder = ExecutorBuilder::new(source).on_compile(notice);
    let builder = engine.into_iter().fold(builder, ExecutorBuilder::engine);
    EXTENSIONS
        .iter()
        .fold(builder, |builder, package| builder.extension(*package))
        .build_with(move |runtime| SandboxState::with(runtime, &world, None), SandboxState::link)
}
