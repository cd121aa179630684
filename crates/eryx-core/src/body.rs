use crate::bindings::Sandbox;
use crate::bindings::exports::eryx::runtime::image::Places;
use crate::engine::Place;
use crate::image::{self, Piece};
use crate::interpreter::{HOST_CALL_BYTES, Memory};
use crate::limits::ResourceLimits;
use crate::linked::Linked;
use crate::seed::Seed;
use crate::view::{RuntimeCtx, RuntimeView};
use crate::{Error, PythonExecutor};
use std::fmt;
use wasmtime::Store;
use wasmtime::component::TypedFunc;

type Pieces = (&'static [Piece<'static>],);

/// An instance of the runtime with its store: what an interpreter lives in.
pub(crate) struct Body<T: RuntimeView> {
    pub(crate) store: Store<T>,
    pub(crate) sandbox: Sandbox,
    memory: TypedFunc<(), (Memory,)>,
    write: TypedFunc<Pieces, ()>,
    pub(crate) places: Places,
    /// How many interpreters have lived in it.
    uses: u32,
    /// How many handles they have left open in all, of files for instance. Wasmtime
    /// counts them until the instance ends.
    left_open: usize,
    /// Whether it has done what sessions do.
    pub(crate) is_rehearsed: bool,
    _place: Place,
}

/// So many interpreters live in an instance at most.
const MOST_USES: u32 = 1000;

/// With more handles left open than this an instance is dropped. Wasmtime ends a
/// program that would be the owner of its 100,000th, whoever had the others.
const MOST_LEFT_OPEN: usize = 10_000;

impl<T: RuntimeView> Body<T> {
    /// Instantiates the runtime.
    pub(crate) async fn new(
        executor: &PythonExecutor<T>,
        linked: &Linked<T>,
        place: Place,
        limits: &ResourceLimits,
        seed: Option<Seed>,
    ) -> Result<Self, Error> {
        let state = executor.new_state(RuntimeCtx::new(limits, seed));
        let mut store = Store::new(linked.engine.engine(), state);
        store.limiter(|data| &mut data.runtime().memory);
        store.set_hostcall_fuel(HOST_CALL_BYTES);
        // Starting is not yet running: no clock watches it.
        store.set_epoch_deadline(FAR);
        if limits.fuel.is_some() {
            store.set_fuel(u64::MAX).map_err(Error::Instantiation)?;
        }
        let instance = match linked.pre.instantiate_async(&mut store).await {
            Ok(instance) => instance,
            Err(_) if store.data_mut().runtime().memory.was_refused() => {
                return Err(Error::Config(format!(
                    "the memory limit of {} bytes is less than the interpreter needs to start",
                    limits.memory_bytes
                )));
            }
            Err(error) => return Err(linked.engine.refusal(error)),
        };
        let sandbox = linked.exports.load(&mut store, &instance).map_err(Error::Instantiation)?;
        let memory = instance.get_typed_func(&mut store, linked.memory);
        let write = instance.get_typed_func(&mut store, linked.write);
        let (memory, write) =
            (memory.map_err(Error::Instantiation)?, write.map_err(Error::Instantiation)?);
        let places = sandbox.eryx_runtime_image().call_begin(&mut store).await;
        let places = places.map_err(|error| linked.engine.refusal(error))?;
        let mut body = Self {
            store,
            sandbox,
            memory,
            write,
            places,
            uses: 0,
            left_open: 0,
            is_rehearsed: false,
            _place: place,
        };
        let list = body.memory().await.map_err(|error| linked.engine.refusal(error))?;
        image::exact(list.as_le_slice(&body.store));
        Ok(body)
    }

    /// The core's part of the store's data.
    pub(crate) fn runtime(&mut self) -> &mut RuntimeCtx {
        self.store.data_mut().runtime()
    }

    /// Gives a fresh instance other data.
    pub(crate) fn assign(&mut self, state: T) {
        let size = self.store.data_mut().runtime().memory.size();
        *self.store.data_mut() = state;
        self.store.data_mut().runtime().memory.assume(size);
        self.store.set_hostcall_fuel(HOST_CALL_BYTES);
        self.store.set_epoch_deadline(FAR);
    }

    /// Counts an interpreter that has lived in it, and what it has left open; whether
    /// another may.
    pub(crate) fn wear(&mut self) -> bool {
        self.uses += 1;
        self.left_open += self.store.data_mut().ctx().table.iter_mut().count();
        self.uses < MOST_USES && self.left_open < MOST_LEFT_OPEN
    }

    /// Whether it is time to see if what is written over is more than it has to be.
    pub(crate) fn is_due(&self) -> bool {
        self.uses.is_multiple_of(8)
    }

    /// All of the guest's memory, as it lends it.
    pub(crate) async fn memory(&mut self) -> wasmtime::Result<Memory> {
        // The limit of what may cross would count it as if it were copied.
        self.store.set_hostcall_fuel(usize::MAX);
        let memory = self.memory.call_async(&mut self.store, ()).await;
        self.store.set_hostcall_fuel(HOST_CALL_BYTES);
        Ok(memory?.0)
    }

    /// Writes one batch of pieces to the guest's memory.
    pub(crate) async fn write(&mut self, pieces: &[Piece<'_>]) -> wasmtime::Result<()> {
        self.sandbox.eryx_runtime_image().call_aim(&mut self.store).await?;
        self.write.call_async(&mut self.store, (pieces,)).await
    }
}

/// Ticks of the clock that nobody lives to see.
const FAR: u64 = u64::MAX / 2;

impl<T: RuntimeView> fmt::Debug for Body<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Body").finish_non_exhaustive()
    }
}
