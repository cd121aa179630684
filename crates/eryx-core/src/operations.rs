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

/// Work that goes on outside the guest while that does something else. All of it
/// is dropped with the run.
#[derive(Debug)]
pub(crate) struct Operations {
    tasks: JoinSet<u32>,
    running: HashMap<u32, AbortHandle>,
    last: u32,
    limit: usize,
    /// Those that have finished before it was their turn to be told.
    early: BTreeSet<u32>,
}

impl Operations {
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            tasks: JoinSet::new(),
            running: HashMap::new(),
            last: 0,
            limit,
            early: BTreeSet::new(),
        }
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
        // Those that wait for their turn to be told are under way for the guest.
        if self.running.len() + self.early.len() >= self.limit {
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
        self.early.remove(&number);
        if let Some(task) = self.running.remove(&number) {
            task.abort();
        }
    }

    /// The operations that have finished since the last call, waiting for the
    /// first of them at most so long.
    pub(crate) async fn wait(&mut self, time: Duration) -> Vec<u32> {
        let mut finished = self.finished();
        if finished.is_empty() {
            if time.is_zero() {
                // The thread may be the only one there is to work on them.
                tokio::task::yield_now().await;
            } else if let Ok(number) = tokio::time::timeout(time, self.next()).await {
                finished.push(number);
            }
            finished.append(&mut self.finished());
        }
        finished
    }

    /// As [`wait`](Self::wait) where chance may have no part: operations are told
    /// one by one in the order in which they were started, and as long as there
    /// are any no time passes. Without any, all of it has passed at once.
    pub(crate) async fn wait_in_order(&mut self, now: &AtomicU64, time: Duration) -> Vec<u32> {
        let oldest = self.running.keys().chain(&self.early).min().copied();
        let Some(oldest) = oldest else {
            // Who waits for ever is left to the deadline.
            if !clock::pass(now, time) {
                std::future::pending::<()>().await;
            }
            tokio::task::yield_now().await;
            return Vec::new();
        };
        while !self.early.remove(&oldest) {
            let next = self.next().await;
            self.early.insert(next);
        }
        vec![oldest]
    }

    async fn next(&mut self) -> u32 {
        while let Some(ended) = self.tasks.join_next().await {
            if let Ok(number) = ended
                && self.running.remove(&number).is_some()
            {
                return number;
            }
        }
        std::future::pending().await
    }

    fn finished(&mut self) -> Vec<u32> {
        let mut finished = Vec::new();
        while let Some(ended) = self.tasks.try_join_next() {
            // Those given up are no longer in the table.
            finished.extend(ended.ok().filter(|number| self.running.remove(number).is_some()));
        }
        finished
    }
}
