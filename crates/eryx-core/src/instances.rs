//! Instances that wait for an interpreter.

use crate::body::Body;
use crate::image::{self, Base};
use crate::seed::Seed;
use crate::view::{RuntimeCtx, RuntimeView};
use crate::{Error, PythonExecutor, ResourceLimits};
use futures_util::FutureExt;
use std::sync::Arc;

impl<T: RuntimeView> PythonExecutor<T> {
    /// How many instances wait, fresh, for who needs the next: see
    /// [`ExecutorBuilder::with_idle_instances`](crate::ExecutorBuilder::with_idle_instances).
    pub fn idle_instances(&self) -> usize {
        self.inner.idle.len()
    }

    /// Does ahead what the first interpreters of a process would wait for: afterwards there
    /// are instances for so many programs, and for as many interpreters that last, unless
    /// [fewer may wait](crate::ExecutorBuilder::with_idle_instances). One empty program is
    /// run.
    ///
    /// For a process that is started before its first request. There the first session's
    /// open and first run take a third of what they do otherwise, and the first save and
    /// restore of its variables a quarter and less (`docs/FIGURES.md`). It takes some 25 ms,
    /// most of them on a thread where tokio lets tasks block, and half a millisecond for
    /// each instance; without it the second run in a process does most of that at its end.
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
        let executor = self.clone();
        // The guest waits for nothing then.
        let work = move || executor.make_idle(instances).now_or_never();
        let made = tokio::task::spawn_blocking(work).await;
        made.map_err(|error| Error::WasmEngine(error.into()))?.unwrap_or(Ok(()))?;
        self.execute("None").run().await.map(drop)
    }

    async fn make_idle(&self, instances: usize) -> Result<(), Error> {
        let base = self.base(false).await?;
        for lasting in [true, false] {
            while self.inner.idle.count(lasting) < instances && !self.inner.idle.is_full() {
                let mut body = self.new_idle_body().await?;
                if lasting && !image::rehearse(&mut body, base).await {
                    break;
                }
                self.inner.idle.put(body);
            }
        }
        Ok(())
    }

    /// The memory of a fresh interpreter. The one that is looked at for it is kept for
    /// those that are to last.
    pub(crate) async fn base(&self, lasting: bool) -> Result<&Base, Error> {
        if let Some(base) = self.inner.base.get() {
            return Ok(base);
        }
        let mut body = self.new_idle_body().await?;
        let base = Base::of(&mut body).await.map_err(Error::WasmEngine)?;
        let base = self.inner.base.get_or_init(|| base);
        let is_wanted = lasting && !self.inner.idle.is_full();
        if is_wanted && image::rehearse(&mut body, base).await {
            self.inner.idle.put(body);
        }
        Ok(base)
    }

    /// A new instance, in which nobody lives.
    async fn new_idle_body(&self) -> Result<Body<T>, Error> {
        let new_state = Arc::clone(&self.inner.idle_state);
        let nobodys = Self { inner: Arc::clone(&self.inner), new_state };
        Body::new(&nobodys, self.plain(), &ResourceLimits::default(), None).await
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
        if let Some(body) = self.assigned(|| idle.take(lasting), limits, seed) {
            return Ok(body);
        }
        match Body::new(self, self.plain(), limits, seed).await {
            Err(Error::Full { limit }) => {
                self.assigned(|| idle.take_any(), limits, seed).ok_or(Error::Full { limit })
            }
            made => made,
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
        let is_looked_at = self.inner.base.get().is_some();
        if !body.wear() || !self.inner.idle.wants(is_looked_at) {
            return;
        }
        // What its user left there goes at once.
        let limits = ResourceLimits::default();
        body.assign((self.inner.idle_state)(RuntimeCtx::new(&limits, None)));
        let Ok(base) = self.base(lasted).await else { return };
        let is_fresh = image::recycle(&mut body, base).await;
        if is_fresh && (!lasted || image::rehearse(&mut body, base).await) {
            self.inner.idle.put(body);
        }
    }
}
