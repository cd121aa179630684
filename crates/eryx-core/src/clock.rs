use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use wasmtime_wasi::{HostMonotonicClock, HostWallClock};

/// When the virtual clock starts, in seconds since 1970: 2020-01-01.
const VIRTUAL_START: u64 = 1_577_836_800;

/// By how much a look at the virtual clock advances it.
const LOOK: u64 = 1000;

/// Where the virtual clock stops, in nanoseconds: some 146 years later. Python counts
/// in 63 bits.
pub(crate) const VIRTUAL_END: u64 = 1 << 62;

/// A run's time: the host's, or one that only the interpreter itself advances.
#[derive(Debug, Clone)]
pub(crate) enum Clock {
    /// The start of the run.
    Real(Instant),
    Virtual {
        /// Nanoseconds since the start of the interpreter.
        now: Arc<AtomicU64>,
        /// The start of the run.
        start: u64,
    },
}

impl Clock {
    pub(crate) fn real() -> Self {
        Self::Real(Instant::now())
    }

    pub(crate) fn of_its_own() -> Self {
        Self::Virtual { now: Arc::default(), start: 0 }
    }

    /// A run starts.
    pub(crate) fn begin(&mut self, started: Instant) {
        match self {
            Self::Real(start) => *start = started,
            Self::Virtual { now, start } => *start = now.load(Ordering::Relaxed),
        }
    }

    /// What a clock of its own shows.
    pub(crate) fn standing(&self) -> u64 {
        match self {
            Self::Real(_) => 0,
            Self::Virtual { now, .. } => now.load(Ordering::Relaxed).min(VIRTUAL_END),
        }
    }

    /// A clock of its own goes on from there.
    pub(crate) fn go_on(&self, then: u64) {
        if let Self::Virtual { now, .. } = self {
            now.store(then, Ordering::Relaxed);
        }
    }

    /// Time since the start of the run.
    pub(crate) fn elapsed(&self) -> Duration {
        match self {
            Self::Real(start) => start.elapsed(),
            Self::Virtual { now, start } => {
                Duration::from_nanos(now.load(Ordering::Relaxed).saturating_sub(*start))
            }
        }
    }

    /// Shows the time, if it is not the host's, without advancing it.
    pub(crate) fn of_interpreter(&self) -> Option<impl Fn() -> SystemTime + Send + Sync + use<>> {
        let Self::Virtual { now, .. } = self else { return None };
        let now = Arc::clone(now);
        Some(move || UNIX_EPOCH + virtual_time(now.load(Ordering::Relaxed)))
    }

    /// Nanoseconds since 1970.
    pub(crate) fn since_1970(&self) -> u64 {
        let time = match self {
            Self::Real(_) => SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default(),
            Self::Virtual { now, .. } => virtual_time(now.load(Ordering::Relaxed)),
        };
        u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
    }
}

/// Lets virtual time pass; false if there is not so much of it.
pub(crate) fn pass(now: &AtomicU64, time: Duration) -> bool {
    let time = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
    let then = now.load(Ordering::Relaxed).saturating_add(time);
    let is_there = then <= VIRTUAL_END;
    if is_there {
        now.store(then, Ordering::Relaxed);
    }
    is_there
}

fn virtual_time(nanoseconds: u64) -> Duration {
    Duration::from_secs(VIRTUAL_START) + Duration::from_nanos(nanoseconds)
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
        virtual_time(self.look())
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
