use wasmtime::ResourceLimiter;

/// Counts a store's linear memory and keeps it under a limit.
#[derive(Debug)]
pub struct MemoryTracker {
    limit: u64,
    now: u64,
    peak: u64,
    refused: bool,
    full: bool,
}

impl MemoryTracker {
    pub(crate) fn new(limit: u64) -> Self {
        Self { limit, now: 0, peak: 0, refused: false, full: false }
    }

    /// Starts to count for a run. Memory that is there already stays.
    pub(crate) fn begin(&mut self, limit: u64) {
        self.limit = limit;
        self.peak = self.now;
        (self.refused, self.full) = (false, false);
    }

    /// The memory that there is, in bytes.
    pub(crate) fn size(&self) -> u64 {
        self.now
    }

    /// Takes over memory that another has counted.
    pub(crate) fn assume(&mut self, size: u64) {
        self.now = size;
        self.peak = size;
    }

    /// The limit in bytes.
    pub fn limit(&self) -> u64 {
        self.limit
    }

    /// The most bytes there have been.
    pub fn peak(&self) -> u64 {
        self.peak
    }

    /// Whether the guest ever asked for more than the limit.
    pub fn was_refused(&self) -> bool {
        self.refused
    }

    /// Whether it did so when it had most of what it may have. Asking for too much
    /// at once is no sign that it cannot go on.
    pub(crate) fn was_full(&self) -> bool {
        self.full
    }
}

impl ResourceLimiter for MemoryTracker {
    fn memory_growing(
        &mut self,
        _current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let wanted = u64::try_from(desired).unwrap_or(u64::MAX);
        if wanted > self.limit || maximum.is_some_and(|maximum| desired > maximum) {
            self.refused = true;
            self.full |= self.now >= self.limit / 4 * 3;
            return Ok(false);
        }
        self.now = self.now.max(wanted);
        self.peak = self.peak.max(wanted);
        Ok(true)
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        // The runtime's tables have their full size from the start.
        Ok(current == 0 || desired <= current)
    }
}
