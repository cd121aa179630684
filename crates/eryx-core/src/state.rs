use crate::view::{RuntimeCtx, RuntimeView};
use std::fmt;
use wasmtime_wasi::{ResourceTable, WasiCtx, WasiCtxView, WasiView};

/// The least a store can hold: no files, no network.
pub struct MinimalState {
    runtime: RuntimeCtx,
    wasi: WasiCtx,
    table: ResourceTable,
}

impl MinimalState {
    /// State for one run.
    pub fn new(runtime: RuntimeCtx) -> Self {
        let wasi = runtime.wasi().build();
        Self { runtime, wasi, table: ResourceTable::new() }
    }
}

impl fmt::Debug for MinimalState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MinimalState").field("runtime", &self.runtime).finish_non_exhaustive()
    }
}

impl WasiView for MinimalState {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

impl RuntimeView for MinimalState {
    fn runtime(&mut self) -> &mut RuntimeCtx {
        &mut self.runtime
    }
}
