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

    /// Charges all or nothing.
    pub(crate) fn charge(&self, bytes: u64) -> FsResult<()> {
        self.0
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(bytes))
            .map(drop)
            .map_err(|_| FsError::NoSpace)
    }

    /// Charges a new name.
    pub(crate) fn charge_entry(&self) -> FsResult<()> {
        self.charge(ENTRY)
    }
}
