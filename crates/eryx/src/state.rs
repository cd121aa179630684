use crate::files::{self, Files, Mounts};
use crate::network::{self, Reach, Sockets};
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
    sockets: Sockets,
}

impl SandboxState {
    /// With nothing mounted and nothing to be reached.
    pub(crate) fn new(runtime: RuntimeCtx) -> Self {
        Self::with(runtime, &Mounts::default(), &Reach::default())
    }

    pub(crate) fn with(runtime: RuntimeCtx, mounts: &Mounts, reach: &Reach) -> Self {
        let wasi = runtime.wasi().build();
        Self {
            runtime,
            wasi,
            table: ResourceTable::new(),
            files: Files::new(mounts),
            sockets: Sockets::new(reach),
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
}
