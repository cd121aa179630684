use crate::{FsError, FsResult};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// What a new name in a directory is charged.
const ENTRY: u64 = 4096;

/// How much may still be written to a volume. What was written stays charged,
/// even if it is removed: the host's disk has had the work.
#[derive(Debug, Clone)]
pub(crate) struct WriteQuota(Arc<AtomicU64>);

impl WriteQuota {
    pub(crate) fn new(bytes: u64) -> Self {
        Self(Arc::new(AtomicU64::new(bytes)))
    }

    /// Does what costs so much; if it fails, it costs nothing.
    pub(crate) fn spend<T>(&self, bytes: u64, work: impl FnOnce() -> FsResult<T>) -> FsResult<T> {
        self.charge(bytes)?;
        work().inspect_err(|_| self.refund(bytes))
    }

    /// Makes a new name; one that is not made costs nothing.
    pub(crate) fn spend_entry<T>(&self, work: impl FnOnce() -> FsResult<T>) -> FsResult<T> {
        self.spend(ENTRY, work)
    }

    fn refund(&self, bytes: u64) {
        self.0.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Charges all or nothing.
    fn charge(&self, bytes: u64) -> FsResult<()> {
        self.0
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(bytes))
            .map(drop)
            .map_err(|_| FsError::NoSpace)
    }
}
