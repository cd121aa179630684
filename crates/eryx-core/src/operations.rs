use crate::clock;
use futures_util::FutureExt;
use std::collections::{BTreeSet, HashMap};
use std::panic::AssertUnwindSafe;
use std::sync::atomic::AtomicU64;
use std::time::Duration;
use tokio::task::{AbortHandle, JoinSet};

/// The guest may not start more operations before others finish.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{limit} operations are under way, the limit of a run")]
pub struct TooManyOperations {
    /// [`ResourceLimits::operations`](crate::ResourceLimits::operations).
    pub limit: usize,
}

/// How long those that are given up may take to end. One that blocks its thread is
/// not waited for any longer.
const GRACE: Duration = Duration::from_millis(100);

/// Work that goes on outside the guest while that does something else. All of it
/// is dropped with the run.
#[derive(Debug, Default)]
pub(crate) struct Operations {
    /// Those given up too, until they have ended.
    tasks: JoinSet<u32>,
    running: HashMap<u32, AbortHandle>,
    last: u32,
    limit: usize,
    /// Those that have finished and of which the guest was not told yet.
    finished: BTreeSet<u32>,
}

impl Operations {
    pub(crate) fn new(limit: usize) -> Self {
        Self { limit, ..Self::default() }
    }

    pub(crate) fn set_limit(&mut self, limit: usize) {
        self.limit = limit;
    }

    /// Starts work as a task of its own, so that one that blocks its thread does
    /// not keep the run from ending in time.
    pub(crate) fn submit(
        &mut self,
        work: impl Future<Output = ()> + Send + 'static,
    ) -> Result<u32, TooManyOperations> {
        self.reap();
        if self.tasks.len() >= self.limit {
            return Err(TooManyOperations { limit: self.limit });
        }
        self.last = self.last.wrapping_add(1);
        let number = self.last;
        // Who panics leaves no result behind: that is how its owner learns of it.
        let work = AssertUnwindSafe(work).catch_unwind().map(move |_| number);
        self.running.insert(number, self.tasks.spawn(work));
        Ok(number)
    }

    /// Drops an operation.
    pub(crate) fn cancel(&mut self, number: u32) {
        self.finished.remove(&number);
        if let Some(task) = self.running.remove(&number) {
            task.abort();
        }
    }

    /// Drops all of them, and waits a little for those that are on a thread right
    /// now.
    pub(crate) async fn stop(mut self) {
        if self.tasks.is_empty() {
            return;
        }
        self.tasks.abort_all();
        let all = async { while self.tasks.join_next().await.is_some() {} };
        let _ = tokio::time::timeout(GRACE, all).await;
    }

    /// Waits a little for operations to end until there is what is waited for.
    pub(crate) async fn until(&mut self, is_so: impl Fn() -> bool) {
        let wait = async {
            while !is_so()
                && let Some(ended) = self.tasks.join_next().await
            {
                self.note(ended.ok());
            }
        };
        let _ = tokio::time::timeout(GRACE, wait).await;
    }

    /// The operations that have finished since the last call, waiting for the
    /// first of them at most so long.
    pub(crate) async fn wait(&mut self, time: Duration) -> Vec<u32> {
        self.reap();
        if self.finished.is_empty() {
            if time.is_zero() {
                // The thread may be the only one there is to work on them.
                tokio::task::yield_now().await;
            } else {
                let _ = tokio::time::timeout(time, self.next()).await;
            }
            self.reap();
        }
        std::mem::take(&mut self.finished).into_iter().collect()
    }

    /// As [`wait`](Self::wait) where chance may have no part: operations are told
    /// one by one in the order in which they were started, and as long as there
    /// are any no time passes. Without any, all of it has passed at once.
    pub(crate) async fn wait_in_order(&mut self, now: &AtomicU64, time: Duration) -> Vec<u32> {
        let oldest = self.running.keys().chain(&self.finished).min().copied();
        let Some(oldest) = oldest else {
            // Who waits for ever is left to the deadline.
            if !clock::pass(now, time) {
                std::future::pending::<()>().await;
            }
            tokio::task::yield_now().await;
            return Vec::new();
        };
        while !self.finished.remove(&oldest) {
            self.next().await;
        }
        vec![oldest]
    }

    /// Waits until another has finished.
    async fn next(&mut self) {
        while let Some(ended) = self.tasks.join_next().await {
            if self.note(ended.ok()) {
                return;
            }
        }
        std::future::pending::<()>().await;
    }

    /// Sees which have ended.
    fn reap(&mut self) {
        while let Some(ended) = self.tasks.try_join_next() {
            self.note(ended.ok());
        }
    }

    /// Those given up are no longer in the table.
    fn note(&mut self, ended: Option<u32>) -> bool {
        let Some(number) = ended else { return false };
        self.running.remove(&number).is_some() && self.finished.insert(number)
    }
}
