use crate::Error;
use crate::ticker::{Ticker, Ticking};
use wasmtime::{Config, Enabled, Engine, InstanceAllocationStrategy, PoolingAllocationConfig};

/// The WebAssembly stack of a run. Deep recursion in Python ends in a
/// `RecursionError` well before it; see `docs/decisions/0003-stack.md`.
pub(crate) const WASM_STACK: usize = 4 << 20;

/// The stack of host and guest together, on which a run lives.
const ASYNC_STACK: usize = 5 << 20;

/// How many interpreters can live at once in one engine.
const INSTANCES: u32 = 1000;

/// Dirty pages of an instance that are kept, reset, for the next one.
const KEEP_RESIDENT: usize = 4 << 20;

/// A WebAssembly engine set up for many short-lived interpreters, with the
/// clock that ends runs in time. Cheap to clone; clones are the same engine.
#[derive(Debug, Clone)]
pub struct PythonEngine {
    engine: Engine,
    ticker: Ticker,
}

impl PythonEngine {
    /// Sets up an engine and its clock thread.
    ///
    /// # Errors
    /// [`Error::WasmEngine`] if the machine is not one that wasmtime supports
    /// or has not the address space for the pool of instances.
    pub fn new() -> Result<Self, Error> {
        Self::with(&config())
    }

    /// Sets up an engine that counts the fuel its guests use, with its own clock.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub(crate) fn metered() -> Result<Self, Error> {
        let mut config = config();
        config.consume_fuel(true);
        Self::with(&config)
    }

    fn with(config: &Config) -> Result<Self, Error> {
        let engine = Engine::new(config).map_err(Error::WasmEngine)?;
        let ticker = Ticker::start(&engine).map_err(|error| Error::WasmEngine(error.into()))?;
        Ok(Self { engine, ticker })
    }

    /// The engine itself.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Keeps the clock going while the answer lives.
    pub(crate) fn ticking(&self) -> Ticking {
        self.ticker.run()
    }
}

fn config() -> Config {
    let mut config = Config::new();
    config
        .epoch_interruption(true)
        .max_wasm_stack(WASM_STACK)
        .async_stack_size(ASYNC_STACK)
        // The image is some 20 MB: with a lower limit it would be copied at
        // each start instead of mapped.
        .memory_guaranteed_dense_image_size(64 << 20)
        .allocation_strategy(InstanceAllocationStrategy::Pooling(pool()));
    config
}

fn pool() -> PoolingAllocationConfig {
    let mut pool = PoolingAllocationConfig::default();
    pool.total_component_instances(INSTANCES)
        .total_memories(INSTANCES)
        .total_stacks(INSTANCES)
        // The interpreter, the WASI adapter and two small modules between them.
        .max_core_instances_per_component(8)
        .total_core_instances(INSTANCES * 8)
        .max_tables_per_component(8)
        .total_tables(INSTANCES * 4)
        .table_elements(20_000)
        .max_component_instance_size(16 << 20)
        .max_core_instance_size(16 << 20)
        .max_memory_size(1 << 32)
        .linear_memory_keep_resident(KEEP_RESIDENT)
        .table_keep_resident(1 << 20)
        .async_stack_keep_resident(64 << 10)
        .max_unused_warm_slots(100)
        .pagemap_scan(Enabled::Auto);
    pool
}
