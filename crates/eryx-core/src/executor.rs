use crate::artifact::{self, CachePlace, CompileEvent};
use crate::bindings::SandboxPre;
use crate::engine::PythonEngine;
use crate::run::ExecuteBuilder;
use crate::view::{RuntimeCtx, RuntimeView};
use crate::{Error, MinimalState, RuntimeSource, host};
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use wasmtime::component::{Component, InstancePre, Linker};

/// A loaded runtime, ready to run programs. Cheap to clone.
///
/// Loading costs some milliseconds when the compiled code is in the cache, and
/// some ten seconds of compiling when it is not. Everything that all runs share
/// is made here, once.
pub struct PythonExecutor<T: RuntimeView = MinimalState> {
    inner: Arc<Inner<T>>,
}

struct Inner<T: RuntimeView> {
    engine: PythonEngine,
    pre: SandboxPre<T>,
    new_state: Box<dyn Fn(RuntimeCtx) -> T + Send + Sync>,
}

impl PythonExecutor {
    /// Loads a runtime with nothing linked but what it needs to start.
    ///
    /// # Errors
    /// As [`ExecutorBuilder::build`].
    pub fn new(source: RuntimeSource) -> Result<Self, Error> {
        ExecutorBuilder::new(source).build(MinimalState::new)
    }
}

impl<T: RuntimeView> PythonExecutor<T> {
    /// Prepares to run `code` in a fresh interpreter, which shares nothing with
    /// any other. Nothing happens before [`run`](ExecuteBuilder::run).
    pub fn execute(&self, code: impl Into<String>) -> ExecuteBuilder<T> {
        ExecuteBuilder::new(self.clone(), code.into())
    }

    /// The engine.
    pub fn engine(&self) -> &PythonEngine {
        &self.inner.engine
    }

    /// The component, linked as far as can be without a store.
    pub fn instance_pre(&self) -> &InstancePre<T> {
        self.inner.pre.instance_pre()
    }

    pub(crate) fn sandbox_pre(&self) -> &SandboxPre<T> {
        &self.inner.pre
    }

    pub(crate) fn new_state(&self, runtime: RuntimeCtx) -> T {
        (self.inner.new_state)(runtime)
    }
}

impl<T: RuntimeView> Clone for PythonExecutor<T> {
    fn clone(&self) -> Self {
        Self { inner: Arc::clone(&self.inner) }
    }
}

impl<T: RuntimeView> fmt::Debug for PythonExecutor<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PythonExecutor").field("engine", &self.inner.engine).finish_non_exhaustive()
    }
}

/// Sets up a [`PythonExecutor`].
#[must_use = "nothing is loaded before `build`"]
pub struct ExecutorBuilder {
    source: RuntimeSource,
    engine: Option<PythonEngine>,
    cache: CachePlace,
    notice: Box<dyn Fn(CompileEvent)>,
}

impl ExecutorBuilder {
    /// Will load `source`, with the cache in the user's own cache folder.
    pub fn new(source: RuntimeSource) -> Self {
        let cache = CachePlace::default();
        Self { source, engine: None, cache, notice: Box::new(|_| ()) }
    }

    /// Shares an engine, and with it the clock and the pool of instances.
    pub fn engine(mut self, engine: PythonEngine) -> Self {
        self.engine = Some(engine);
        self
    }

    /// Keeps compiled code in `folder` instead of `$ERYX_CACHE_DIR` or the
    /// user's cache folder. Nobody else may be able to write to it.
    pub fn cache_dir(mut self, folder: impl Into<PathBuf>) -> Self {
        self.cache = CachePlace::At(folder.into());
        self
    }

    /// Compiles at each start and keeps nothing.
    pub fn without_cache(mut self) -> Self {
        self.cache = CachePlace::Nowhere;
        self
    }

    /// Is told when compiling begins and ends.
    pub fn on_compile(mut self, notice: impl Fn(CompileEvent) + 'static) -> Self {
        self.notice = Box::new(notice);
        self
    }

    /// Loads the runtime; `new_state` makes the data of each run's store.
    ///
    /// # Errors
    /// [`Error::Initialization`] if the bytes are no runtime of this version,
    /// [`Error::WasmEngine`] if the machine cannot run it, [`Error::File`] or
    /// [`Error::Config`] if the cache folder cannot be used.
    pub fn build<T: RuntimeView>(
        self,
        new_state: impl Fn(RuntimeCtx) -> T + Send + Sync + 'static,
    ) -> Result<PythonExecutor<T>, Error> {
        self.build_with(new_state, |_| Ok(()))
    }

    /// As [`build`](Self::build), with more than this crate links: files or a
    /// network. `extend` may define an interface anew; its definition counts.
    ///
    /// # Errors
    /// As [`build`](Self::build); [`Error::Initialization`] if `extend` fails.
    pub fn build_with<T: RuntimeView>(
        self,
        new_state: impl Fn(RuntimeCtx) -> T + Send + Sync + 'static,
        extend: impl FnOnce(&mut Linker<T>) -> wasmtime::Result<()>,
    ) -> Result<PythonExecutor<T>, Error> {
        let engine = self.engine.map_or_else(PythonEngine::new, Ok)?;
        let component = artifact::load(engine.engine(), &self.source, &self.cache, &*self.notice)?;
        let pre = link(&engine, &component, extend)
            .map_err(|source| Error::Initialization { origin: self.source.origin(), source })?;
        let inner = Inner { engine, pre, new_state: Box::new(new_state) };
        Ok(PythonExecutor { inner: Arc::new(inner) })
    }
}

impl fmt::Debug for ExecutorBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExecutorBuilder")
            .field("source", &self.source)
            .field("cache", &self.cache)
            .finish_non_exhaustive()
    }
}

fn link<T: RuntimeView>(
    engine: &PythonEngine,
    component: &Component,
    extend: impl FnOnce(&mut Linker<T>) -> wasmtime::Result<()>,
) -> wasmtime::Result<SandboxPre<T>> {
    let mut linker = Linker::new(engine.engine());
    wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
    host::add_to_linker(&mut linker)?;
    linker.allow_shadowing(true);
    extend(&mut linker)?;
    SandboxPre::new(linker.instantiate_pre(component)?)
}
