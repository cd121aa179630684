use crate::Error;
use crate::ticker::{Ticker, Ticking};
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use wasmtime::{
    Config, Enabled, Engine, InstanceAllocationStrategy, PoolConcurrencyLimitError,
    PoolingAllocationConfig,
};

/// The WebAssembly stack of a run. Deep recursion in Python ends in a
/// `RecursionError` well before it; see `docs/decisions/0003-stack.md`.
pub(crate) const WASM_STACK: usize = 4 << 20;

/// The stack of host and guest together, on which a run lives.
const ASYNC_STACK: usize = 5 << 20;

/// Dirty pages of an instance that are kept, reset, for the next one.
const KEEP_RESIDENT: usize = 4 << 20;

/// A WebAssembly engine set up for many short-lived interpreters, with the
/// clock that ends runs in time. Cheap to clone; clones are the same engine.
#[derive(Debug, Clone)]
pub struct PythonEngine {
    engine: Engine,
    ticker: Ticker,
    instances: u32,
    places: Arc<Semaphore>,
    spares: Arc<Semaphore>,
}

/// A place for an instance, taken as long as this lives.
pub(crate) type Place = OwnedSemaphorePermit;

impl PythonEngine {
    /// How many interpreters can live at once in an engine, unless it is told
    /// otherwise.
    pub const INSTANCES: u32 = 2500;

    /// Sets up an engine and its clock thread, with places for
    /// [`INSTANCES`](Self::INSTANCES) interpreters.
    ///
    /// # Errors
    /// [`Error::WasmEngine`] if the machine is not one that wasmtime supports
    /// or has not the address space for the pool of instances.
    pub fn new() -> Result<Self, Error> {
        Self::with_instances(Self::INSTANCES)
    }

    /// As [`new`](Self::new), with places for so many interpreters, from 1 to
    /// 30,000. Each place takes 4 GiB of address space, of which there are 128
    /// TiB on most machines, and no memory before it is used; as many more, up to 64, are
    /// for what executors keep. A live interpreter has some 10 of the 65,530 mappings that
    /// Linux gives a process unless `vm.max_map_count` is raised.
    ///
    /// # Errors
    /// As [`new`](Self::new); [`Error::Config`] for another number.
    ///
    /// ```no_run
    /// # fn example(source: eryx_core::RuntimeSource) -> Result<(), eryx_core::Error> {
    /// use eryx_core::{ExecutorBuilder, MinimalState, PythonEngine};
    ///
    /// let engine = PythonEngine::with_instances(10_000)?;
    /// let executor = ExecutorBuilder::new(source).engine(engine).build(MinimalState::new)?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn with_instances(instances: u32) -> Result<Self, Error> {
        Self::with(&config(instances)?, instances)
    }

    /// Sets up an engine that counts the fuel its guests use, with its own clock
    /// and its own places.
    ///
    /// # Errors
    /// As [`with_instances`](Self::with_instances).
    pub(crate) fn metered(instances: u32) -> Result<Self, Error> {
        let mut config = config(instances)?;
        config.consume_fuel(true);
        Self::with(&config, instances)
    }

    fn with(config: &Config, instances: u32) -> Result<Self, Error> {
        let engine = Engine::new(config).map_err(Error::WasmEngine)?;
        let ticker = Ticker::start(&engine).map_err(|error| Error::WasmEngine(error.into()))?;
        let places = |count| Arc::new(Semaphore::new(usize::try_from(count).unwrap_or_default()));
        let (places, spares) = (places(instances), places(spares(instances)));
        Ok(Self { engine, ticker, instances, places, spares })
    }

    /// How many interpreters can live in it at once.
    pub fn instances(&self) -> u32 {
        self.instances
    }

    /// Takes a place for an interpreter.
    pub(crate) fn place(&self) -> Result<Place, Error> {
        self.take(&self.places)
    }

    /// Takes a place for an instance that no interpreter lives in.
    pub(crate) fn spare(&self) -> Result<Place, Error> {
        self.take(&self.spares)
    }

    fn take(&self, places: &Arc<Semaphore>) -> Result<Place, Error> {
        let place = Arc::clone(places).try_acquire_owned();
        place.map_err(|_| Error::Full { limit: self.instances })
    }

    /// Why an interpreter could not be started.
    pub(crate) fn refusal(&self, error: wasmtime::Error) -> Error {
        if error.is::<PoolConcurrencyLimitError>() {
            Error::Full { limit: self.instances }
        } else {
            Error::Instantiation(error)
        }
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

/// More would not fit into the address space.
const MOST_INSTANCES: u32 = 30_000;

fn config(instances: u32) -> Result<Config, Error> {
    if !(1..=MOST_INSTANCES).contains(&instances) {
        return Err(Error::Config(format!(
            "an engine cannot have places for {instances} interpreters: 1 to {MOST_INSTANCES}"
        )));
    }
    let mut config = Config::new();
    config
        .epoch_interruption(true)
        .max_wasm_stack(WASM_STACK)
        .async_stack_size(ASYNC_STACK)
        // The image is some 20 MB: with a lower limit it would be copied at
        // each start instead of mapped.
        .memory_guaranteed_dense_image_size(64 << 20)
        .allocation_strategy(InstanceAllocationStrategy::Pooling(pool(instances)));
    Ok(config)
}

/// Places besides those for so many interpreters: each executor keeps a fresh instance that
/// nobody lives in.
fn spares(instances: u32) -> u32 {
    instances.min(64)
}

fn pool(instances: u32) -> PoolingAllocationConfig {
    let instances = instances + spares(instances);
    let mut pool = PoolingAllocationConfig::default();
    pool.total_component_instances(instances)
        .total_memories(instances)
        .total_stacks(instances)
        // The interpreter, the WASI adapter and two small modules between them.
        .max_core_instances_per_component(8)
        .total_core_instances(instances * 8)
        .max_tables_per_component(8)
        .total_tables(instances * 4)
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
