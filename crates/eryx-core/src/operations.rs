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
    /// Whether chance may have no part in what the guest is told.
    in_order: bool,
    /// Those that have finished and of which the guest was not told yet.
    finished: BTreeSet<u32>,
}

impl Operations {
    pub(crate) fn new(limit: usize) -> Self {
        Self { limit, ..Self::default() }
    }

    /// A run begins.
    pub(crate) fn begin(&mut self, limit: usize, in_order: bool) {
        (self.limit, self.in_order) = (limit, in_order);
    }

    /// Starts work as a task of its own, so that one that blocks its thread does
    /// not keep the run from ending in time.
    pub(crate) fn submit(
        &mut self,
        work: impl Future<Output = ()> + Send + 'static,
    ) -> Result<u32, TooManyOperations> {
        self.reap();
        let told_late = if self.in_order { self.known() } else { 0 };
        if self.tasks.len().max(told_late) >= self.limit {
            return Err(TooManyOperations { limit: self.limit });
        }
        self.last = self.last.wrapping_add(1);
        let number = self.last;
        // Who panics leaves no result behind: that is how its owner learns of it.
        let work = AssertUnwindSafe(work).catch_unwind().map(move |_| number);
        self.running.insert(number, self.tasks.spawn(work));
        Ok(number)
    }

    /// How many the guest believes to be under way: when they end is up to chance,
    /// when it is told is not.
    fn known(&self) -> usize {
        self.running.len() + self.finished.len()
    }

    /// Where chance may have no part: has those end that were given up and are in the
    /// way of one more.
    pub(crate) async fn make_room(&mut self) {
        while self.in_order
            && self.known() < self.limit
            && self.tasks.len() >= self.limit
            && let Some(ended) = self.tasks.join_next().await
        {
            self.note(ended.ok());
        }
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

    /// Waits for operations to end until there is what is waited for: a little, unless
    /// chance may have no part in whether that is enough.
    pub(crate) async fn until(&mut self, is_so: impl Fn() -> bool) {
        let in_order = self.in_order;
        let wait = async {
            while !is_so()
                && let Some(ended) = self.tasks.join_next().await
            {
                self.note(ended.ok());
            }
        };
        if in_order {
            wait.await;
        } else {
            let _ = tokio::time::timeout(GRACE, wait).await;
        }
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

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    /// Those that have ended, of which the guest does not know, are in the way of
    /// others or not: by chance, unless they always are.
    #[tokio::test]
    async fn what_has_ended_counts_until_it_is_told_where_chance_has_no_part() {
        for in_order in [false, true] {
            let mut operations = Operations::new(2);
            operations.begin(2, in_order);
            for _ in 0..2 {
                operations.submit(async {}).unwrap();
            }
            while operations
                .tasks
                .try_join_next()
                .map(|ended| operations.note(ended.ok()))
                .is_some()
                || !operations.tasks.is_empty()
            {
                tokio::task::yield_now().await;
            }
            assert_eq!(operations.submit(async {}).is_err(), in_order);
            let told = operations.wait_in_order(&AtomicU64::new(0), Duration::ZERO).await;
            assert_eq!(told, [1]);
            operations.submit(async {}).unwrap();
        }
    }
}
