/// How much an [`InMemoryStorage`](super::InMemoryStorage) may hold.
///
/// Names have at most 255 bytes, paths and link targets 4,096; that is fixed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[non_exhaustive]
pub struct StorageLimits {
    /// Bytes of all files and link targets together; holes count. 64 MiB.
    pub bytes: u64,
    /// Files, directories and links together; a further hard link counts as
    /// one. 10,000.
    pub nodes: u64,
    /// How many directories lie inside each other. 64.
    pub depth: u32,
}

impl Default for StorageLimits {
    fn default() -> Self {
        Self { bytes: 64 << 20, nodes: 10_000, depth: 64 }
    }
}

impl StorageLimits {
    /// Sets the limit of bytes.
    #[must_use]
    pub fn with_bytes(mut self, bytes: u64) -> Self {
        self.bytes = bytes;
        self
    }

    /// Sets the limit of files, directories and links.
    #[must_use]
    pub fn with_nodes(mut self, nodes: u64) -> Self {
        self.nodes = nodes;
        self
    }

    /// Sets how many directories may lie inside each other.
    #[must_use]
    pub fn with_depth(mut self, depth: u32) -> Self {
        self.depth = depth;
        self
    }
}

/// The deepest that a snapshot from anywhere is read: no path leads further.
const DEEPEST: u32 = 2048;

impl StorageLimits {
    /// What of these limits holds if they come from anywhere: no more than the
    /// defaults. While files are read, as many as there are may come.
    pub(super) fn while_read(self) -> Self {
        Self { bytes: u64::MAX, nodes: u64::MAX, depth: self.depth.min(DEEPEST) }
    }

    /// As [`while_read`](Self::while_read), once they were read; they fit.
    pub(super) fn once_read(self, usage: StorageUsage) -> Self {
        let most = Self::default();
        Self {
            bytes: self.bytes.min(most.bytes).max(usage.bytes),
            nodes: self.nodes.min(most.nodes).max(usage.nodes),
            depth: self.depth.min(DEEPEST),
        }
    }
}

/// What an [`InMemoryStorage`](super::InMemoryStorage) holds now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct StorageUsage {
    /// Bytes of all files and link targets together.
    pub bytes: u64,
    /// Files, directories, links and further names; without the root.
    pub nodes: u64,
}
