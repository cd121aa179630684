use crate::{Sandbox, Session};
use eryx_core::Error;
use std::collections::VecDeque;
use std::fmt;
use std::ops::Deref;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Sessions that are started before somebody asks for one.
///
/// Taking one costs microseconds while some are ready; starting the next goes on
/// in the background. At most so many are in use at once as the pool allows, and
/// who waits is served in turn. A session that comes back is ended: nobody else
/// ever sees it. Clones are the same pool.
///
/// ```no_run
/// # async fn example() -> Result<(), eryx::Error> {
/// use eryx::{PoolOptions, Sandbox, SandboxPool};
///
/// let sandbox = Sandbox::embedded().build()?;
/// let pool = SandboxPool::new(sandbox, PoolOptions::default().with_ready(8));
/// let session = pool.acquire().await?;
/// session.execute("x = 1").await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct SandboxPool {
    inner: Arc<Inner>,
}

/// How large a [`SandboxPool`] is.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PoolOptions {
    /// How many sessions are kept ready. 4.
    pub ready: usize,
    /// How many may be in use at once; 0 would let nobody have one and counts as 1.
    /// 100.
    pub in_use: usize,
}

/// What a [`SandboxPool`] has done and is doing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct PoolStatistics {
    /// Sessions that wait to be taken.
    pub ready: usize,
    /// Sessions that were taken and not yet given back.
    pub in_use: usize,
    /// Who waits for one.
    pub waiting: usize,
    /// How many were taken that were ready.
    pub taken_ready: u64,
    /// How many had to be started when they were asked for.
    pub taken_cold: u64,
}

/// A session of a [`SandboxPool`]. Dropping it ends the session and makes room
/// for another.
#[derive(Debug)]
pub struct PooledSession {
    session: Session,
    /// Until it is dropped.
    place: Option<OwnedSemaphorePermit>,
}

struct Inner {
    sandbox: Sandbox,
    options: PoolOptions,
    places: Arc<Semaphore>,
    ready: Mutex<VecDeque<Session>>,
    /// Held by who starts sessions: one at a time.
    filler: Arc<tokio::sync::Mutex<()>>,
    waiting: AtomicUsize,
    taken_ready: AtomicU64,
    taken_cold: AtomicU64,
}

impl Default for PoolOptions {
    fn default() -> Self {
        Self { ready: 4, in_use: 100 }
    }
}

impl PoolOptions {
    /// Sets [`ready`](Self::ready).
    #[must_use]
    pub fn with_ready(mut self, count: usize) -> Self {
        self.ready = count;
        self
    }

    fn places(&self) -> usize {
        self.in_use.clamp(1, Semaphore::MAX_PERMITS)
    }

    /// Sets [`in_use`](Self::in_use).
    #[must_use]
    pub fn with_in_use(mut self, count: usize) -> Self {
        self.in_use = count;
        self
    }
}

impl SandboxPool {
    /// A pool of sessions of this sandbox. The first are started when the first
    /// is asked for, or by [`fill`](Self::fill).
    pub fn new(sandbox: Sandbox, options: PoolOptions) -> Self {
        let places = Arc::new(Semaphore::new(options.places()));
        let inner = Inner {
            sandbox,
            options,
            places,
            ready: Mutex::default(),
            filler: Arc::default(),
            waiting: AtomicUsize::new(0),
            taken_ready: AtomicU64::new(0),
            taken_cold: AtomicU64::new(0),
        };
        Self { inner: Arc::new(inner) }
    }

    /// Starts sessions until as many are ready as shall be.
    ///
    /// # Errors
    /// As [`Sandbox::session`].
    pub async fn fill(&self) -> Result<(), Error> {
        let _one_fills = self.inner.filler.lock().await;
        self.inner.fill().await
    }

    /// Takes a session; waits while as many are in use as may be.
    ///
    /// Must be called within a tokio runtime, whose tasks start the next.
    ///
    /// # Errors
    /// As [`Sandbox::session`], if none is ready.
    pub async fn acquire(&self) -> Result<PooledSession, Error> {
        let waiting = Waiting::begin(&self.inner.waiting);
        // Nobody closes the semaphore.
        let place = Arc::clone(&self.inner.places).acquire_owned().await;
        let place = place.map_err(|_| Error::Closed)?;
        drop(waiting);
        let session = if let Some(session) = self.take_ready() {
            session
        } else {
            let session = self.inner.sandbox.session().await?;
            self.inner.taken_cold.fetch_add(1, Ordering::Relaxed);
            session
        };
        self.fill_behind();
        Ok(PooledSession { session, place: Some(place) })
    }

    /// Takes a session if one is ready and may be taken now.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn try_acquire(&self) -> Option<PooledSession> {
        let place = Arc::clone(&self.inner.places).try_acquire_owned().ok()?;
        let session = self.take_ready();
        self.fill_behind();
        session.map(|session| PooledSession { session, place: Some(place) })
    }

    /// What there is at the moment.
    pub fn statistics(&self) -> PoolStatistics {
        let inner = &self.inner;
        let places = inner.options.places();
        PoolStatistics {
            ready: inner.ready().len(),
            in_use: places.saturating_sub(inner.places.available_permits()),
            waiting: inner.waiting.load(Ordering::Relaxed),
            taken_ready: inner.taken_ready.load(Ordering::Relaxed),
            taken_cold: inner.taken_cold.load(Ordering::Relaxed),
        }
    }

    fn take_ready(&self) -> Option<Session> {
        let session = self.inner.ready().pop_front()?;
        self.inner.taken_ready.fetch_add(1, Ordering::Relaxed);
        Some(session)
    }

    /// Starts what is missing while others go on.
    fn fill_behind(&self) {
        // Whoever is at it looks again before it stops.
        let Ok(mut turn) = Arc::clone(&self.inner.filler).try_lock_owned() else { return };
        let inner = Arc::downgrade(&self.inner);
        tokio::spawn(async move {
            while let Some(inner) = inner.upgrade() {
                let filled = inner.fill().await.is_ok();
                drop(turn);
                // If none can be started, who asks next will learn why.
                if !filled || inner.is_full() {
                    break;
                }
                let Ok(next) = Arc::clone(&inner.filler).try_lock_owned() else { break };
                turn = next;
            }
        });
    }
}

impl Inner {
    /// A panic of another thread cannot have left the queue half changed.
    fn ready(&self) -> MutexGuard<'_, VecDeque<Session>> {
        self.ready.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_full(&self) -> bool {
        self.ready().len() >= self.options.ready
    }

    async fn fill(&self) -> Result<(), Error> {
        while !self.is_full() {
            self.start_one().await?;
        }
        Ok(())
    }

    async fn start_one(&self) -> Result<(), Error> {
        let session = self.sandbox.session().await?;
        session.lock()?.warm_up().await?;
        self.ready().push_back(session);
        Ok(())
    }
}

impl fmt::Debug for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inner").field("options", &self.options).finish_non_exhaustive()
    }
}

/// Counts who waits, also if they give up.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn begin(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Deref for PooledSession {
    type Target = Session;

    fn deref(&self) -> &Session {
        &self.session
    }
}

impl Drop for PooledSession {
    fn drop(&mut self) {
        // Clones of it end too. One that runs ends with its run.
        self.session.close_when_free(self.place.take());
    }
}
