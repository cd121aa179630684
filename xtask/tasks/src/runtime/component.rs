//! Runs the interpreter's start once, freezes its memory into the module and
//! wraps that as a component.

use super::lasting;
use super::link::module;
use super::pieces;
use crate::key::Key;
use crate::workshop::{Made, Step, Workshop};
use anyhow::{Context, Result, ensure};
use std::fs;
use std::path::Path;
use std::time::Duration;
use wasi_preview1_component_adapter_provider::{
    WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME, WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER,
};
use wasmtime::{Config, Engine, Instance, Linker, Module, Store, Val};
use wasmtime_wasi::p1::WasiP1Ctx;
use wasmtime_wasi::{Deterministic, HostMonotonicClock, HostWallClock, WasiCtxBuilder};
use wasmtime_wizer::{InstanceState, SnapshotVal, ValType, Wizer};
use wit_component::ComponentEncoder;

const STEP: Step = Step {
    name: "component",
    what: "start the interpreter and freeze it",
    seconds: 25,
    results: &["runtime.wasm"],
};

/// What the runtime may take, so that it does not grow unseen.
const MOST_BYTES: usize = 25_000_000;

/// Yields `runtime.wasm`.
pub(crate) fn build(shop: &mut Workshop, repository: &Path, linked: &Made) -> Result<Made> {
    let key = Key::of("component")
        .key(linked.key)
        .tree(&repository.join("wit"))?
        .text(include_str!("component.rs"))
        .text(include_str!("pieces.rs"))
        .text(include_str!("lasting.rs"))
        .text(include_str!("../../../../Cargo.lock"))
        .done();
    shop.step(STEP, key, |folder, meter| {
        let path = module(linked);
        let mut bytes =
            fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        pieces::call_functions(&mut bytes)?;
        lasting::only_memory(&bytes)?;
        let frozen = freeze(&bytes)?;
        meter.set(0.8);
        let component = ComponentEncoder::default()
            .module(&frozen)?
            .adapter(WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME, WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER)?
            .validate(true)
            .encode()
            .context("cannot make a component of the module")?;
        let size = component.len();
        ensure!(size <= MOST_BYTES, "the runtime has {size} bytes, more than {MOST_BYTES}");
        fs::write(folder.join("runtime.wasm"), component).context("cannot write the runtime")
    })
}

/// Runs the module's initialisation and returns the module as it is then.
fn freeze(module: &[u8]) -> Result<Vec<u8>> {
    let mut config = Config::new();
    config.max_wasm_stack(8 << 20).async_stack_size(16 << 20);
    let engine = Engine::new(&config)?;
    let mut linker: Linker<WasiP1Ctx> = Linker::new(&engine);
    wasmtime_wasi::p1::add_to_linker_async(&mut linker, |context| context)?;
    let wizer = Wizer::new();
    let (context, instrumented) = wizer.instrument(module)?;
    let compiled = Module::new(&engine, &instrumented)?;
    // The host's own imports have no meaning yet: using one is an error.
    linker.define_unknown_imports_as_traps(&compiled)?;

    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut store = Store::new(&engine, quiet_world());
        let instance = linker.instantiate_async(&mut store, &compiled).await?;
        for name in ["_initialize", wizer.get_init_func()] {
            let start = instance.get_typed_func::<(), ()>(&mut store, name)?;
            let started = start.call_async(&mut store, ()).await;
            started.map_err(anyhow::Error::from).context("the interpreter did not start")?;
        }
        Ok(wizer.snapshot(&context, &mut Started { store, instance }).await?)
    })
}

/// What wizer reads the interpreter's state from.
struct Started {
    store: Store<WasiP1Ctx>,
    instance: Instance,
}

impl InstanceState for Started {
    async fn global_get(&mut self, name: &str, _type: ValType) -> SnapshotVal {
        let global = self.instance.get_global(&mut self.store, name);
        match global.map(|global| global.get(&mut self.store)) {
            Some(Val::I32(value)) => SnapshotVal::I32(value),
            Some(Val::I64(value)) => SnapshotVal::I64(value),
            Some(Val::F32(value)) => SnapshotVal::F32(value),
            Some(Val::F64(value)) => SnapshotVal::F64(value),
            Some(Val::V128(value)) => SnapshotVal::V128(value.as_u128()),
            other => unreachable!("wizer asked for the global {name}, which is {other:?}"),
        }
    }

    async fn memory_contents(&mut self, name: &str, contents: impl FnOnce(&[u8]) + Send) {
        if let Some(memory) = self.instance.get_memory(&mut self.store, name) {
            contents(memory.data(&self.store));
        }
    }
}

/// No files, no arguments, and time and chance that are the same each time.
fn quiet_world() -> WasiP1Ctx {
    WasiCtxBuilder::new()
        .stderr(wasmtime_wasi::cli::stderr())
        .secure_random(Deterministic::new(vec![0]))
        .insecure_random(Deterministic::new(vec![0]))
        .insecure_random_seed(0)
        .wall_clock(StoppedClock)
        .monotonic_clock(StoppedClock)
        .build_p1()
}

struct StoppedClock;

impl HostWallClock for StoppedClock {
    fn resolution(&self) -> Duration {
        Duration::from_nanos(1)
    }

    fn now(&self) -> Duration {
        // The start of 1980, the oldest date that a zip file can hold.
        Duration::from_hours(10 * 365 * 24 + 2 * 24)
    }
}

impl HostMonotonicClock for StoppedClock {
    fn resolution(&self) -> u64 {
        1
    }

    fn now(&self) -> u64 {
        0
    }
}
