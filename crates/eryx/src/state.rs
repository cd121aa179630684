use crate::files::{self, Files, Mounts};
use eryx_core::{RuntimeCtx, RuntimeView};
use std::fmt;
use wasmtime::component::Linker;
use wasmtime_wasi::{ResourceTable, WasiCtx, WasiCtxView, WasiView};

/// What the store of a sandbox's interpreter holds.
pub struct SandboxState {
    runtime: RuntimeCtx,
    wasi: WasiCtx,
    table: ResourceTable,
    files: Files,
}

impl SandboxState {
    /// With nothing mounted.
    pub(crate) fn new(runtime: RuntimeCtx) -> Self {
        Self::with_files(runtime, &Mounts::default())
    }

    pub(crate) fn with_files(runtime: RuntimeCtx, mounts: &Mounts) -> Self {
        let wasi = runtime.wasi().build();
        Self { runtime, wasi, table: ResourceTable::new(), files: Files::new(mounts) }
    }

    /// Links what is in the state besides the core's.
    pub(crate) fn link(linker: &mut Linker<Self>) -> wasmtime::Result<()> {
        files::link(linker)
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
}
