//! From a component to native code, compiled once and kept in the cache.
#![expect(
    unsafe_code,
    reason = "loading compiled code runs it; this is the one place where that is decided"
)]

use crate::cache::{self, Cache};
use crate::{Error, RuntimeSource};
use std::hash::{Hash, Hasher};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use wasmtime::Engine;
use wasmtime::component::Component;

/// What happens while a runtime is compiled, which takes seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum CompileEvent {
    /// No compiled code was in the cache: compiling begins.
    Started,
    /// Compiling took so long.
    Finished(Duration),
}

/// Where compiled code is kept.
#[derive(Debug, Clone, Default)]
pub(crate) enum CachePlace {
    #[default]
    Default,
    At(PathBuf),
    Nowhere,
}

/// Loads compiled code from the cache, or compiles and stores it.
pub(crate) fn load(
    engine: &Engine,
    source: &RuntimeSource,
    place: &CachePlace,
    notice: &dyn Fn(CompileEvent),
) -> Result<Component, Error> {
    let root = match place {
        CachePlace::Default => cache::default_root(),
        CachePlace::At(path) => Some(path.clone()),
        CachePlace::Nowhere => None,
    };
    let Some(root) = root else {
        let code = compile(engine, source, notice)?;
        // SAFETY: the code is this process's own, compiled a moment ago.
        return unsafe { Component::deserialize(engine, code) }.map_err(damaged(source));
    };
    let cache = Cache::open(&root)?;
    let name = entry_name(engine, source);
    let path = cache.path(&format!("{name}.cwasm"));
    if let Some(component) = load_entry(engine, &cache, &path) {
        return Ok(component);
    }
    let _lock = cache.lock(&name)?;
    // Another process may have filled the entry while this one waited.
    if let Some(component) = load_entry(engine, &cache, &path) {
        return Ok(component);
    }
    let code = compile(engine, source, notice)?;
    if let Err(error) = cache.store(&path, &code) {
        // A full disk costs the next start some seconds, not this one its run.
        tracing::warn!(%error, "compiled code could not be kept");
    }
    // SAFETY: the code is this process's own, compiled a moment ago.
    unsafe { Component::deserialize(engine, code) }.map_err(damaged(source))
}

/// An entry that is there, unchanged, and fits this engine.
fn load_entry(engine: &Engine, cache: &Cache, path: &Path) -> Option<Component> {
    if !path.exists() {
        return None;
    }
    if !cache.is_authentic(path) {
        tracing::warn!(path = %path.display(), "compiled code was damaged or is not ours: ignored");
        return None;
    }
    // SAFETY: the content carries this user's tag, so it is what `store` wrote;
    // only this user can write to the folder, so it still is.
    unsafe { Component::deserialize_file(engine, path) }.ok()
}

fn compile(
    engine: &Engine,
    source: &RuntimeSource,
    notice: &dyn Fn(CompileEvent),
) -> Result<Vec<u8>, Error> {
    let start = Instant::now();
    notice(CompileEvent::Started);
    let code = engine.precompile_component(&source.bytes).map_err(damaged(source))?;
    notice(CompileEvent::Finished(start.elapsed()));
    tracing::info!(seconds = start.elapsed().as_secs_f64(), bytes = code.len(), "compiled");
    Ok(code)
}

fn damaged(source: &RuntimeSource) -> impl FnOnce(wasmtime::Error) -> Error {
    let origin = source.origin();
    move |source| Error::Initialization { origin, source }
}

/// Names what the code depends on: the component, and the engine with its
/// version, settings and the processor's features.
fn entry_name(engine: &Engine, source: &RuntimeSource) -> String {
    let mut settings = Blake(blake3::Hasher::new());
    engine.precompile_compatibility_hash().hash(&mut settings);
    let mut hasher = blake3::Hasher::new();
    hasher.update(&source.hash).update(settings.0.finalize().as_bytes());
    let name = hasher.finalize().to_hex();
    name.get(..32).unwrap_or(&name).to_owned()
}

/// Lets `Hash` feed a hash that is the same in every process.
struct Blake(blake3::Hasher);

impl Hasher for Blake {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    fn finish(&self) -> u64 {
        0
    }
}
