use crate::artifact::{CachePlace, CompileEvent};
use crate::compiled::{CompiledFault, Content};
use crate::engine::PythonEngine;
use crate::enter;
use crate::idle::Idle;
use crate::image::Base;
use crate::interpreter::Interpreter;
use crate::linked::{Extend, Linked};
use crate::run::{ExecuteBuilder, RunOptions};
use crate::seed::Seed;
use crate::source;
use crate::view::{RuntimeCtx, RuntimeView};
use crate::{Error, MinimalState, ResourceLimits, RuntimeSource};
use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use tokio::sync::OnceCell;
use wasmtime::component::{InstancePre, Linker};

/// A loaded runtime, ready to run programs. Cheap to clone.
///
/// Loading costs some milliseconds when the compiled code is in the cache, and
/// some ten seconds of compiling when it is not. Everything that all runs share
/// is made here, once.
pub struct PythonExecutor<T: RuntimeView = MinimalState> {
    pub(crate) inner: Arc<Inner<T>>,
    pub(crate) new_state: NewState<T>,
}

type NewState<T> = Arc<dyn Fn(RuntimeCtx) -> T + Send + Sync>;

pub(crate) struct Inner<T: RuntimeView> {
    plain: Linked<T>,
    /// For runs whose fuel is counted; compiled when the first of them comes.
    metered: OnceLock<Linked<T>>,
    /// What used instances are made again, and what images are told as differences from.
    pub(crate) base: OnceCell<Base>,
    pub(crate) idle: Idle<T>,
    /// The data of those.
    pub(crate) idle_state: NewState<T>,
    compiling: Arc<tokio::sync::Mutex<()>>,
    source: RuntimeSource,
    cache: CachePlace,
    extend: Extend<T>,
    extensions: Vec<String>,
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

    /// Starts an interpreter that lasts: what one run defines, the next finds.
    ///
    /// It can be given [`fuel`](ResourceLimits::fuel) in its runs only if
    /// `limits` names some here (a session moves on into one that can); memory is
    /// limited by `limits` until the first run sets its own.
    ///
    /// # Errors
    /// [`Error::Config`] if the memory is too little to start in,
    /// [`Error::Full`] if there are too many interpreters.
    pub async fn start(&self, limits: &ResourceLimits) -> Result<Interpreter<T>, Error> {
        Interpreter::start(self, limits, None, true).await
    }

    /// As [`start`](Self::start), with time and chance that follow from `seed`
    /// alone.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub async fn start_seeded(
        &self,
        limits: &ResourceLimits,
        seed: Seed,
    ) -> Result<Interpreter<T>, Error> {
        Interpreter::start(self, limits, Some(seed), true).await
    }

    /// As [`start`](Self::start), with the limits and the seed of `options`, and in the
    /// time that a run has with these: one that is to count fuel may have to wait for
    /// [the code that does](Self::load_metered).
    ///
    /// # Errors
    /// As [`start`](Self::start); [`Error::Timeout`] and [`Error::Cancelled`].
    pub async fn start_with(&self, options: &RunOptions) -> Result<Interpreter<T>, Error> {
        enter::start(self, options, true).await
    }

    /// Data as an interpreter's store would have it, to see what is in it.
    pub fn sample_state(&self) -> T {
        self.new_state(RuntimeCtx::new(&ResourceLimits::default(), None))
    }

    /// What it was loaded from.
    pub fn source(&self) -> &RuntimeSource {
        &self.inner.source
    }

    /// BLAKE3 of the runtime's component.
    pub fn runtime_id(&self) -> [u8; 32] {
        self.inner.source.hash
    }

    /// The engine.
    pub fn engine(&self) -> &PythonEngine {
        &self.inner.plain.engine
    }

    /// The first entry of each program's `sys.path`: the archive with the standard
    /// library. Imports take it from the runtime itself, whatever is mounted there. For
    /// programs that open it as a file the facade's sandboxes mount
    /// [`RuntimeSource::stdlib`] there.
    pub fn python_stdlib_path(&self) -> &'static str {
        source::STDLIB
    }

    /// Where programs look for other packages, in this order: the last entries of
    /// `sys.path`. An embedder with files mounts there what programs may import; the
    /// facade's sandboxes do so with any number of wheels, archives and folders.
    pub fn python_site_packages_paths(&self) -> &'static [&'static str] {
        &[source::SITE_PACKAGES]
    }

    /// The component, linked as far as can be without a store.
    pub fn instance_pre(&self) -> &InstancePre<T> {
        &self.inner.plain.pre
    }

    pub(crate) fn plain(&self) -> &Linked<T> {
        &self.inner.plain
    }

    /// Loads what runs whose [fuel](ResourceLimits::fuel) is counted need. The
    /// first of them does so itself otherwise, in its own time: some milliseconds,
    /// or some ten seconds of compiling when this machine has not done so before.
    /// A run that ends meanwhile does not stop it.
    ///
    /// # Errors
    /// As [`ExecutorBuilder::build`].
    pub async fn load_metered(&self) -> Result<(), Error> {
        self.metered().await.map(drop)
    }

    /// The same runtime, compiled to count fuel.
    pub(crate) async fn metered(&self) -> Result<&Linked<T>, Error> {
        if self.inner.metered.get().is_none() {
            let one_compiles = Arc::clone(&self.inner.compiling).lock_owned().await;
            let executor = self.clone();
            // Whoever waits here may give up; who comes next finds what it left.
            let load = move || {
                let loaded = executor.inner.load_metered();
                drop(one_compiles);
                loaded
            };
            tokio::task::spawn_blocking(load)
                .await
                .map_err(|error| Error::WasmEngine(error.into()))??;
        }
        // It was put there above, or before.
        self.inner.metered.get().ok_or_else(|| {
            Error::WasmEngine(wasmtime::Error::msg("the engine that counts fuel is missing"))
        })
    }

    pub(crate) fn extensions(&self) -> &[String] {
        &self.inner.extensions
    }

    pub(crate) fn new_state(&self, runtime: RuntimeCtx) -> T {
        (self.new_state)(runtime)
    }

    /// The same runtime, with other data in the stores of its interpreters:
    /// other files, say. Nothing is loaded again.
    #[must_use]
    pub fn with_state(&self, new_state: impl Fn(RuntimeCtx) -> T + Send + Sync + 'static) -> Self {
        Self { inner: Arc::clone(&self.inner), new_state: Arc::new(new_state) }
    }

    /// The same runtime, with data in the stores of its interpreters that `change`
    /// makes of what it would be.
    #[must_use]
    pub fn map_state(&self, change: impl Fn(T) -> T + Send + Sync + 'static) -> Self {
        let new_state = Arc::clone(&self.new_state);
        self.with_state(move |runtime| change(new_state(runtime)))
    }
}

impl<T: RuntimeView> Inner<T> {
    fn load_metered(&self) -> Result<(), Error> {
        if self.metered.get().is_none() {
            if matches!(self.source.content, Content::Compiled { .. }) {
                return Err(CompiledFault::NoFuel.into());
            }
            let engine = PythonEngine::metered(self.plain.engine.instances())?;
            let linked = Linked::new(
                engine,
                &self.source,
                &self.cache,
                &self.extend,
                &self.extensions,
                &|_| (),
            )?;
            self.metered.get_or_init(|| linked);
        }
        Ok(())
    }
}

impl<T: RuntimeView> Clone for PythonExecutor<T> {
    fn clone(&self) -> Self {
        Self { inner: Arc::clone(&self.inner), new_state: Arc::clone(&self.new_state) }
    }
}

impl<T: RuntimeView> fmt::Debug for PythonExecutor<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PythonExecutor").field("engine", self.engine()).finish_non_exhaustive()
    }
}

/// Sets up a [`PythonExecutor`].
#[must_use = "nothing is loaded before `build`"]
pub struct ExecutorBuilder {
    source: RuntimeSource,
    engine: Option<PythonEngine>,
    cache: CachePlace,
    extensions: Vec<String>,
    notice: Box<dyn Fn(CompileEvent)>,
    idle: usize,
}

impl ExecutorBuilder {
    /// Will load `source`, with the cache in the user's own cache folder.
    pub fn new(source: RuntimeSource) -> Self {
        Self {
            source,
            engine: None,
            cache: CachePlace::default(),
            extensions: Vec::new(),
            notice: Box::new(|_| ()),
            idle: 32,
        }
    }

    /// Shares an engine, and with it the clock and the places for interpreters;
    /// or takes one with more places: [`PythonEngine::with_instances`]. Runs that
    /// count fuel have an engine beside it, with as many places. As many executors as it has
    /// places, up to 64, can use instances again and capture images in it.
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

    /// Tells the guest that an optional package of interfaces is linked in
    /// [`build_with`](Self::build_with): `eryx:net`. What it is not told of it
    /// refuses to its programs.
    pub fn extension(mut self, package: impl Into<String>) -> Self {
        self.extensions.push(package.into());
        self
    }

    /// Keeps so many instances that were used and made fresh again, or made ahead (two when
    /// the first session starts, others by [`warm_up`](PythonExecutor::warm_up)), up to 2 MiB
    /// each, because that is several times faster than a new one. With 0 each run and each
    /// session has an instance of its own. 32.
    ///
    /// Fresh means that all memory is what it was; it costs some 20 µs and 4 KiB
    /// of copying for each page that was written, and once for each instance in which a
    /// session has lived 0.3 ms, which its next one saves. Instances that were stopped
    /// or have grown are not used again.
    pub fn with_idle_instances(mut self, most: usize) -> Self {
        self.idle = most;
        self
    }

    /// Is told when compiling begins and ends.
    pub fn on_compile(mut self, notice: impl Fn(CompileEvent) + 'static) -> Self {
        self.notice = Box::new(notice);
        self
    }

    /// Loads the runtime; `new_state` makes the data of each interpreter's
    /// store.
    ///
    /// # Errors
    /// [`Error::Initialization`] if the bytes are no runtime of this version,
    /// [`Error::WasmEngine`] if the machine cannot run it,
    /// [`Error::CacheUntrusted`] if others could put code into the cache folder,
    /// [`Error::File`] if one that was named cannot be used. Where the user's own
    /// cache folder cannot be written, the runtime is compiled at each start:
    /// [`CompileEvent::NotKept`].
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
        extend: impl Fn(&mut Linker<T>) -> wasmtime::Result<()> + Send + Sync + 'static,
    ) -> Result<PythonExecutor<T>, Error> {
        let engine = self.engine.map_or_else(PythonEngine::new, Ok)?;
        let extend: Extend<T> = Box::new(extend);
        let plain = Linked::new(
            engine,
            &self.source,
            &self.cache,
            &extend,
            &self.extensions,
            &*self.notice,
        )?;
        let new_state: NewState<T> = Arc::new(new_state);
        let inner = Inner {
            plain,
            metered: OnceLock::new(),
            base: OnceCell::new(),
            idle: Idle::new(self.idle),
            idle_state: Arc::clone(&new_state),
            compiling: Arc::default(),
            source: self.source,
            cache: self.cache,
            extend,
            extensions: self.extensions,
        };
        Ok(PythonExecutor { inner: Arc::new(inner), new_state })
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
