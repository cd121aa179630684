use crate::files::{self, Files, Mounts, OwnFiles};
use crate::network::{self, Reach, Sockets};
use eryx_core::{PythonExecutor, RuntimeCtx, RuntimeView, SnapshotError, Undo};
use std::fmt;
use std::sync::OnceLock;
use wasmtime::component::Linker;
use wasmtime_wasi::{ResourceTable, WasiCtx, WasiCtxView, WasiView};

/// How much a program may hold of the host in all: files, streams, what waits for
/// them. Files and connections have limits of their own below it.
const MOST_RESOURCES: usize = 8192;

/// What the interpreters of a sandbox have around them. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct World {
    pub(crate) mounts: Mounts,
    pub(crate) reach: Reach,
}

impl World {
    /// For interpreters that have files for themselves alone.
    pub(crate) fn executor(
        &self,
        loaded: &PythonExecutor<SandboxState>,
    ) -> PythonExecutor<SandboxState> {
        let world = self.clone();
        loaded.with_state(move |runtime| SandboxState::with(runtime, &world, None))
    }

    /// For interpreters that have these files one after the other.
    pub(crate) fn executor_with(
        &self,
        loaded: &PythonExecutor<SandboxState>,
        own: &OwnFiles,
    ) -> PythonExecutor<SandboxState> {
        let (world, own) = (self.clone(), own.clone());
        loaded.with_state(move |runtime| SandboxState::with(runtime, &world, Some(&own)))
    }
}

/// What the store of a sandbox's interpreter holds.
pub struct SandboxState {
    world: World,
    runtime: RuntimeCtx,
    wasi: WasiCtx,
    table: ResourceTable,
    files: Files,
    sockets: Sockets,
}

impl SandboxState {
    #[cfg(feature = "vfs")]
    pub(crate) fn world_mounts(&self) -> &Mounts {
        &self.world.mounts
    }

    /// The same with other mounts.
    #[cfg(feature = "vfs")]
    pub(crate) fn mounted(self, mounts: &Mounts) -> Self {
        let world = World { mounts: mounts.clone(), ..self.world };
        Self { files: self.files.mounted(mounts, &self.runtime), world, ..self }
    }

    pub(crate) fn with(runtime: RuntimeCtx, world: &World, own: Option<&OwnFiles>) -> Self {
        let (wasi, files) = (runtime.wasi().build(), Files::new(&world.mounts, own, &runtime));
        let mut table = ResourceTable::new();
        table.set_max_capacity(MOST_RESOURCES);
        Self {
            world: world.clone(),
            runtime,
            wasi,
            table,
            files,
            sockets: Sockets::new(&world.reach),
        }
    }

    /// Links what is in the state besides the core's.
    pub(crate) fn link(linker: &mut Linker<Self>) -> wasmtime::Result<()> {
        files::link(linker)?;
        network::link(linker)
    }

    #[cfg(feature = "net")]
    pub(crate) fn sockets(&mut self) -> &mut Sockets {
        &mut self.sockets
    }

    #[cfg(feature = "vfs")]
    pub(crate) fn files(&mut self) -> (&mut Files, WasiCtxView<'_>) {
        (&mut self.files, WasiCtxView { ctx: &mut self.wasi, table: &mut self.table })
    }
}

impl fmt::Debug for SandboxState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SandboxState")
            .field("runtime", &self.runtime)
            .field("files", &self.files)
            .field("sockets", &self.sockets)
            .finish_non_exhaustive()
    }
}

impl WasiView for SandboxState {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

impl RuntimeView for SandboxState {
    fn runtime(&mut self) -> &mut RuntimeCtx {
        &mut self.runtime
    }

    fn begin_run(&mut self) {
        self.sockets.begin_run();
        self.files.begin_run();
    }

    fn checkpoint(&mut self) -> Undo {
        self.files.checkpoint()
    }

    fn save_files(&mut self, limit: u64) -> Result<Vec<u8>, SnapshotError> {
        self.files.save(limit)
    }

    fn load_files(&mut self, saved: &[u8]) -> Result<Undo, SnapshotError> {
        self.files.load(saved)
    }

    fn for_session(executor: PythonExecutor<Self>) -> PythonExecutor<Self> {
        let own = OnceLock::new();
        executor.map_state(move |state: Self| {
            let mounts = &state.world.mounts;
            let runtime = &state.runtime;
            let of_all = || own.get_or_init(|| OwnFiles::new_for(mounts, runtime)).clone();
            Self { files: state.files.lasting(mounts, of_all, runtime), ..state }
        })
    }

    fn for_fork(&mut self, executor: PythonExecutor<Self>) -> PythonExecutor<Self> {
        match self.files.fork_own() {
            Some(own) => self.world.executor_with(&executor, &own),
            None => executor,
        }
    }
}
