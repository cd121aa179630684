//! From a component to native code, compiled once and kept in the cache.
#![expect(
    unsafe_code,
    reason = "loading compiled code runs it; this is the one place where that is decided"
)]

use crate::cache::{self, Cache};
use crate::compiled::{self, CompiledFault, Content};
use crate::{Error, RuntimeSource};
use std::hash::{Hash, Hasher};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use wasmtime::Engine;
use wasmtime::component::Component;

/// What happens while a runtime is compiled, which takes seconds.
#[derive(Debug)]
#[non_exhaustive]
pub enum CompileEvent {
    /// No compiled code was in the cache: compiling begins.
    Started,
    /// Compiling took so long.
    Finished(Duration),
    /// Compiled code cannot be kept, because of this: the next start will compile
    /// again. This one goes on.
    NotKept(Error),
}

/// Where compiled code is kept.
#[derive(Debug, Clone, Default)]
pub(crate) enum CachePlace {
    #[default]
    Default,
    At(PathBuf),
    Nowhere,
}

/// Loads compiled code that is given, or from the cache, or compiles and stores it.
pub(crate) fn load(
    engine: &Engine,
    source: &RuntimeSource,
    place: &CachePlace,
    notice: &dyn Fn(CompileEvent),
) -> Result<Component, Error> {
    let bytes = match &source.content {
        Content::Component(bytes) => bytes,
        Content::Compiled { bytes, end } => return given(engine, compiled::code(bytes, *end)),
    };
    let compile = || compile(engine, source, bytes, notice);
    let Some(cache) = open(place, notice)? else {
        return own(engine, source, compile()?);
    };
    let name = entry_name(engine, source);
    let path = cache.path(&format!("{name}.cwasm"));
    if let Some(component) = load_entry(engine, &cache, &path) {
        return Ok(component);
    }
    let lock = cache.lock(&name);
    // Another process may have filled the entry while this one waited.
    if lock.is_ok()
        && let Some(component) = load_entry(engine, &cache, &path)
    {
        return Ok(component);
    }
    let code = compile()?;
    match lock.and_then(|_lock| cache.store(&path, &code)) {
        Ok(()) => cache.prune(),
        // A full disk costs the next start some seconds, not this one its run.
        Err(error) => not_kept(error, notice),
    }
    own(engine, source, code)
}

/// The cache at `place`, if there is to be one. A folder that somebody named has
/// to be usable; that of the user's may be on a disk that is full or only read.
fn open(place: &CachePlace, notice: &dyn Fn(CompileEvent)) -> Result<Option<Cache>, Error> {
    let named = match place {
        CachePlace::Default => cache::named_root(),
        CachePlace::At(path) => Some(path.clone()),
        CachePlace::Nowhere => return Ok(None),
    };
    if let Some(root) = named {
        return Cache::open(&root).map(Some);
    }
    let Some(root) = cache::users_root() else { return Ok(None) };
    match Cache::open(&root) {
        Err(error @ Error::File { .. }) => {
            not_kept(error, notice);
            Ok(None)
        }
        opened => opened.map(Some),
    }
}

fn not_kept(error: Error, notice: &dyn Fn(CompileEvent)) {
    tracing::warn!(%error, "compiled code could not be kept");
    notice(CompileEvent::NotKept(error));
}

/// Takes code that somebody else has compiled.
fn given(engine: &Engine, code: &[u8]) -> Result<Component, Error> {
    // SAFETY: the source was made by who vouched for it, or after its tag was checked.
    let component = unsafe { Component::deserialize(engine, code) };
    Ok(component.map_err(CompiledFault::Engine)?)
}

/// Takes code that was compiled a moment ago.
fn own(engine: &Engine, source: &RuntimeSource, code: Vec<u8>) -> Result<Component, Error> {
    // SAFETY: both callers have it from `compile`, in this process.
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
    let component = unsafe { Component::deserialize_file(engine, path) }.ok()?;
    Cache::touch(path);
    Some(component)
}

fn compile(
    engine: &Engine,
    source: &RuntimeSource,
    component: &[u8],
    notice: &dyn Fn(CompileEvent),
) -> Result<Vec<u8>, Error> {
    let start = Instant::now();
    notice(CompileEvent::Started);
    let code = engine.precompile_component(component).map_err(damaged(source))?;
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

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;
    use crate::PythonEngine;
    use std::collections::BTreeSet;
    use wasmtime::{Config, ModuleVersionStrategy};

    #[test]
    fn what_code_depends_on_is_in_its_name() {
        let version = |version: &str| {
            let mut config = Config::new();
            config.module_version(ModuleVersionStrategy::Custom(version.into())).unwrap();
            Engine::new(&config).unwrap()
        };
        let plain = PythonEngine::with_instances(1).unwrap();
        let many = PythonEngine::with_instances(7).unwrap();
        let metered = PythonEngine::metered(1).unwrap();
        let [one, two] = [&b"one"[..], b"two"].map(RuntimeSource::from_bytes);
        let names = [
            entry_name(plain.engine(), &one),
            entry_name(plain.engine(), &two),
            entry_name(metered.engine(), &one),
            entry_name(&version("1"), &one),
            entry_name(&version("2"), &one),
        ];
        assert_eq!(BTreeSet::from_iter(&names).len(), names.len(), "{names:?}");
        assert_eq!(names[0], entry_name(many.engine(), &one), "the number of places is no matter");
    }
}
