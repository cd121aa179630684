//! What files and the network add to a fresh interpreter, taken in turns: one run of
//! each after the other, so that whatever else the machine does meets all of them.
//!
//! `cargo bench --workspace --bench share`
#![expect(clippy::unwrap_used, reason = "a bench fails by panicking")]
#![expect(clippy::print_stdout, reason = "it prints what it measured")]

use eryx::{
    ExecutorBuilder, HybridVfsCtx, MinimalState, MountTable, PythonExecutor, RuntimeCtx,
    RuntimeSource, RuntimeView, Sandbox, SandboxState, VfsCtxView, VfsView, add_files_to_linker,
};
use std::time::{Duration, Instant};
use tokio::runtime::{Builder, Runtime};
use wasmtime_wasi::{ResourceTable, WasiCtx, WasiCtxView, WasiView};

const ROUNDS: usize = 5;
const RUNS: usize = 4000;

/// Files, and nothing else besides the core's.
struct WithFiles {
    runtime: RuntimeCtx,
    wasi: WasiCtx,
    table: ResourceTable,
    files: HybridVfsCtx,
}

impl WithFiles {
    fn new(runtime: RuntimeCtx, mounts: &MountTable) -> Self {
        let (wasi, files) = (runtime.wasi().build(), HybridVfsCtx::new(mounts));
        Self { runtime, wasi, table: ResourceTable::new(), files }
    }
}

impl WasiView for WithFiles {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

impl RuntimeView for WithFiles {
    fn runtime(&mut self) -> &mut RuntimeCtx {
        &mut self.runtime
    }
}

impl VfsView for WithFiles {
    fn vfs(&mut self) -> VfsCtxView<'_> {
        VfsCtxView { ctx: &mut self.files, table: &mut self.table }
    }
}

fn source() -> RuntimeSource {
    let built = concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/runtime/runtime.wasm");
    RuntimeSource::from_file(built).unwrap()
}

fn with_files() -> PythonExecutor<WithFiles> {
    let mounts = MountTable::default();
    ExecutorBuilder::new(source())
        .build_with(move |runtime| WithFiles::new(runtime, &mounts), add_files_to_linker)
        .unwrap()
}

fn timed<T: RuntimeView>(runtime: &Runtime, executor: &PythonExecutor<T>) -> Duration {
    let start = Instant::now();
    runtime.block_on(executor.execute("x=1").run()).unwrap();
    start.elapsed()
}

fn median(times: &mut [Duration]) -> f64 {
    times.sort_unstable();
    times[times.len() / 2].as_secs_f64() * 1e6
}

fn main() {
    let runtime = Builder::new_current_thread().enable_time().build().unwrap();
    let bare: PythonExecutor<MinimalState> = PythonExecutor::new(source()).unwrap();
    let files = with_files();
    let sandbox: PythonExecutor<SandboxState> =
        Sandbox::embedded().build().unwrap().executor().clone();
    println!("fresh interpreter and x=1, µs, medians of {RUNS} in turns");
    for _ in 0..ROUNDS {
        let mut times = [(); 3].map(|()| Vec::with_capacity(RUNS));
        for _ in 0..RUNS {
            times[0].push(timed(&runtime, &bare));
            times[1].push(timed(&runtime, &files));
            times[2].push(timed(&runtime, &sandbox));
        }
        let [bare, files, all] = times.each_mut().map(|times| median(times));
        println!(
            "engine {bare:.1}, with files {files:.1} ({:.3}), with network too {all:.1} ({:.3})",
            files / bare,
            all / bare,
        );
    }
}
