use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use wasmtime_wasi::{HostMonotonicClock, HostWallClock};

/// When the virtual clock starts, in seconds since 1970: 2020-01-01.
const VIRTUAL_START: u64 = 1_577_836_800;

/// By how much a look at the virtual clock advances it.
const LOOK: u64 = 1000;

/// A run's time: the host's, or one that only the run itself advances.
#[derive(Debug, Clone)]
pub(crate) enum Clock {
    Real(Instant),
    /// Nanoseconds since the start.
    Virtual(Arc<AtomicU64>),
}

impl Clock {
    pub(crate) fn real() -> Self {
        Self::Real(Instant::now())
    }

    pub(crate) fn of_its_own() -> Self {
        Self::Virtual(Arc::default())
    }

    /// Time since the start.
    pub(crate) fn elapsed(&self) -> Duration {
        match self {
            Self::Real(start) => start.elapsed(),
            Self::Virtual(now) => Duration::from_nanos(now.load(Ordering::Relaxed)),
        }
    }

    /// Nanoseconds since 1970.
    pub(crate) fn since_1970(&self) -> u64 {
        let time = match self {
            Self::Real(_) => SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default(),
            Self::Virtual(_) => Duration::from_secs(VIRTUAL_START) + self.elapsed(),
        };
        u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
    }
}

/// The virtual clock as WASI's.
#[derive(Debug)]
pub(crate) struct VirtualClock(pub(crate) Arc<AtomicU64>);

impl VirtualClock {
    fn look(&self) -> u64 {
        self.0.fetch_add(LOOK, Ordering::Relaxed)
    }
}

impl HostWallClock for VirtualClock {
    fn resolution(&self) -> Duration {
        Duration::from_nanos(LOOK)
    }

    fn now(&self) -> Duration {
        Duration::from_secs(VIRTUAL_START) + Duration::from_nanos(self.look())
    }
}

impl HostMonotonicClock for VirtualClock {
    fn resolution(&self) -> u64 {
        LOOK
    }

    fn now(&self) -> u64 {
        self.look()
    }
}
