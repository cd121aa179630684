use eryx_core::PYTHON_VERSION;
use std::time::{SystemTime, UNIX_EPOCH};

/// What is known of a snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SnapshotMetadata {
    /// Milliseconds since 1970 when it was made.
    pub timestamp_ms: u64,
    /// Bytes of its data.
    pub size_bytes: usize,
    /// BLAKE3 of the runtime that made it.
    pub runtime: [u8; 32],
    /// The Python that made it.
    pub python_version: String,
}

impl SnapshotMetadata {
    pub(crate) fn now(size_bytes: usize, runtime: [u8; 32]) -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self {
            timestamp_ms: u64::try_from(now.as_millis()).unwrap_or(u64::MAX),
            size_bytes,
            runtime,
            python_version: PYTHON_VERSION.to_owned(),
        }
    }
}
