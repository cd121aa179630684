//! Instances that wait for an interpreter.

use crate::body::Body;
use crate::engine::Place;
use crate::image::{self, Base};
use crate::seed::Seed;
use crate::view::{RuntimeCtx, RuntimeView};
use crate::{Error, PythonExecutor, ResourceLimits};
use std::sync::Arc;

/// So many are made ready for the first interpreter that lasts: one for it, and one for
/// whoever goes on with what it saves.
const FIRST: usize = 2;

impl<T: RuntimeView> PythonExecutor<T> {
    /// How many instances wait, fresh, for who needs the next: see
    /// [`ExecutorBuilder::with_idle_instances`](crate::ExecutorBuilder::with_idle_instances).
    pub fn idle_instances(&self) -> usize {
        self.inner.idle.len()
    }

    /// Does ahead what the first interpreters of a process would wait for: afterwards there
    /// are instances for so many programs, and for as many interpreters that last, unless
    /// [fewer may wait](crate::ExecutorBuilder::with_idle_instances). If any had to be made,
    /// an empty program is run.
    ///
    /// For a process that is started before its first request: its first session opens and
    /// runs in a sixth of the time then (`docs/FIGURES.md`). It takes some 5 ms for two.
    /// Without it the first interpreter that lasts waits until there are two instances for
    /// such, so that what is saved or restored first takes no longer than later.
    ///
    /// Must be called within a tokio runtime that has its timers enabled.
    ///
    /// # Errors
    /// [`Error::Full`] if the engine has too few places: those that there are wait.
    ///
    /// ```
    /// # async fn example() -> Result<(), eryx_core::Error> {
    /// # let source = eryx_core::RuntimeSource::from_file("runtime.wasm")?;
    /// let executor = eryx_core::PythonExecutor::new(source)?;
    /// executor.warm_up(4).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn warm_up(&self, instances: usize) -> Result<(), Error> {
        let mut made = 0;
        for lasting in [true, false] {
            made += self.make_idle(instances, lasting).await?;
        }
        if made > 0 {
            self.execute("None").run().await?;
        }
        Ok(())
    }

    /// Sees to it that so many wait, if they may; how many were made for that.
    async fn make_idle(&self, instances: usize, lasting: bool) -> Result<usize, Error> {
        let idle = &self.inner.idle;
        let mut made = 0;
        while idle.count(lasting) < instances && !idle.is_full() {
            let base = self.base().await?;
            let mut body = self.new_idle_body(self.engine().place()?).await?;
            if lasting && !image::rehearse(&mut body, base).await {
                break;
            }
            idle.put(body);
            made += 1;
            // Others may have their turn.
            tokio::task::yield_now().await;
        }
        Ok(made)
    }

    /// The memory of a fresh interpreter.
    pub(crate) async fn base(&self) -> Result<&Base, Error> {
        let begin = async || {
            let body = self.new_idle_body(self.engine().spare()?).await?;
            Base::of(body).await.map_err(Error::WasmEngine)
        };
        self.inner.base.get_or_try_init(begin).await
    }

    /// A new instance, in which nobody lives.
    async fn new_idle_body(&self, place: Place) -> Result<Body<T>, Error> {
        let new_state = Arc::clone(&self.inner.idle_state);
        let nobodys = Self { inner: Arc::clone(&self.inner), new_state };
        Body::new(&nobodys, self.plain(), place, &ResourceLimits::default(), None).await
    }

    /// An instance for an interpreter that is to last, or for one program: one that waits for
    /// such, a new one, or one that waits for the others if there is no place for a new one.
    pub(crate) async fn body(
        &self,
        limits: &ResourceLimits,
        seed: Option<Seed>,
        lasting: bool,
    ) -> Result<Body<T>, Error> {
        let idle = &self.inner.idle;
        if lasting && idle.is_first_to_last() {
            // If none can be had, who needs one is told. All that start would keep room for it.
            let _ = Box::pin(self.make_idle(FIRST, true)).await;
        }
        if let Some(body) = self.assigned(|| idle.take(lasting), limits, seed) {
            return Ok(body);
        }
        match self.engine().place() {
            Ok(place) => Body::new(self, self.plain(), place, limits, seed).await,
            Err(full) => self.assigned(|| idle.take_any(), limits, seed).ok_or(full),
        }
    }

    /// One that waits, for somebody.
    fn assigned(
        &self,
        take: impl FnOnce() -> Option<Body<T>>,
        limits: &ResourceLimits,
        seed: Option<Seed>,
    ) -> Option<Body<T>> {
        let size = u64::try_from(self.inner.base.get()?.size()).ok()?;
        // With too little memory to start in, who starts one says so.
        let mut body = if size > limits.memory_bytes { None } else { take() }?;
        body.assign(self.new_state(RuntimeCtx::new(limits, seed)));
        Some(body)
    }

    /// Makes an instance that nobody needs any more fresh, or drops it. Its interpreter
    /// may have lasted longer than one run.
    pub(crate) async fn recycle(&self, mut body: Body<T>, lasted: bool) {
        let has_base = self.inner.base.get().is_some();
        if !body.wear() || !self.inner.idle.wants(has_base) {
            return;
        }
        // What its user left there goes at once.
        let limits = ResourceLimits::default();
        body.assign((self.inner.idle_state)(RuntimeCtx::new(&limits, None)));
        let Ok(base) = self.base().await else { return };
        let is_fresh = image::recycle(&mut body, base).await;
        if is_fresh && (!lasted || image::rehearse(&mut body, base).await) {
            self.inner.idle.put(body);
        }
    }
}
