use crate::NetLimits;
use crate::bindings::eryx::net::types::{Code, Failure};
use crate::error::failure;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use tokio::sync::Semaphore;

/// What a run has left of its limits. Counted before anything moves.
#[derive(Debug)]
pub(crate) struct Budget {
    limits: NetLimits,
    bytes_in: AtomicU64,
    bytes_out: AtomicU64,
    pub(crate) connections: Places,
    pub(crate) sessions: Places,
    pub(crate) lookups: Count,
    /// Look-ups go on at once only as these allow; the others wait for their turn.
    turns: Arc<Semaphore>,
    /// Refusals that are told of, one by one.
    pub(crate) refusals: Count,
}

impl Budget {
    pub(crate) fn new(limits: &NetLimits) -> Self {
        let turns = usize::try_from(limits.open).unwrap_or(Semaphore::MAX_PERMITS);
        Self {
            limits: limits.clone(),
            bytes_in: limits.bytes_in.into(),
            bytes_out: limits.bytes_out.into(),
            connections: Places::new("connections", limits),
            sessions: Places::new("TLS sessions", limits),
            lookups: Count::new(limits.total),
            turns: Arc::new(Semaphore::new(turns.min(Semaphore::MAX_PERMITS))),
            refusals: Count::new(limits.total),
        }
    }

    /// A run begins: it has all of its own. What is open stays open, and counts.
    pub(crate) fn begin_run(&self) {
        self.bytes_in.store(self.limits.bytes_in, Relaxed);
        self.bytes_out.store(self.limits.bytes_out, Relaxed);
        let counts = [&self.connections.left, &self.sessions.left, &self.lookups, &self.refusals];
        for count in counts {
            count.refill(self.limits.total);
        }
    }

    pub(crate) fn turns(&self) -> Arc<Semaphore> {
        Arc::clone(&self.turns)
    }

    /// Moves bytes in: `read` is told how many it may take at most, and says
    /// how many it did.
    pub(crate) fn receive<E: From<OutOfBytes>>(
        &self,
        wanted: usize,
        read: impl FnOnce(usize) -> Result<usize, E>,
    ) -> Result<usize, E> {
        spend(&self.bytes_in, wanted, read)
    }

    /// Moves bytes out, likewise.
    pub(crate) fn send<E: From<OutOfBytes>>(
        &self,
        wanted: usize,
        write: impl FnOnce(usize) -> Result<usize, E>,
    ) -> Result<usize, E> {
        spend(&self.bytes_out, wanted, write)
    }
}

/// Takes from `left` before the bytes move and gives back what did not.
fn spend<E: From<OutOfBytes>>(
    left: &AtomicU64,
    wanted: usize,
    act: impl FnOnce(usize) -> Result<usize, E>,
) -> Result<usize, E> {
    let available = left.load(Relaxed);
    if available == 0 && wanted > 0 {
        return Err(OutOfBytes.into());
    }
    let granted = u64::try_from(wanted).unwrap_or(u64::MAX).min(available);
    left.store(available - granted, Relaxed);
    let moved = act(usize::try_from(granted).unwrap_or(wanted));
    let used = moved.as_ref().map_or(0, |moved| u64::try_from(*moved).unwrap_or(u64::MAX));
    left.store(available.saturating_sub(used), Relaxed);
    moved
}

/// The budget for bytes is used up.
#[derive(Debug, Clone, Copy)]
pub(crate) struct OutOfBytes;

impl From<OutOfBytes> for Failure {
    fn from(_: OutOfBytes) -> Self {
        failure(Code::Limit, "this run has moved as many bytes over the network as it may")
    }
}

/// So many times.
#[derive(Debug)]
pub(crate) struct Count(AtomicU32);

impl Count {
    fn new(times: u32) -> Self {
        Self(times.into())
    }

    fn refill(&self, times: u32) {
        self.0.store(times, Relaxed);
    }

    /// Takes one; whether there was one.
    pub(crate) fn take(&self) -> bool {
        self.0.fetch_update(Relaxed, Relaxed, |left| left.checked_sub(1)).is_ok()
    }
}

/// So many at once and so many in all.
#[derive(Debug)]
pub(crate) struct Places {
    what: &'static str,
    open: Arc<AtomicU32>,
    most_open: u32,
    left: Count,
}

impl Places {
    fn new(what: &'static str, limits: &NetLimits) -> Self {
        let left = Count::new(limits.total);
        Self { what, open: Arc::default(), most_open: limits.open, left }
    }

    pub(crate) fn take(&self) -> Result<Place, Failure> {
        if self.open.load(Relaxed) >= self.most_open {
            let message = format!("{} {} are open, as many as may be", self.most_open, self.what);
            return Err(failure(Code::Limit, message));
        }
        self.spend()?;
        self.open.fetch_add(1, Relaxed);
        Ok(Place(Arc::clone(&self.open)))
    }

    /// One of all, which takes no place: somebody else has it open.
    pub(crate) fn spend(&self) -> Result<(), Failure> {
        if self.left.take() {
            return Ok(());
        }
        let message = format!("this run has made as many {} as it may", self.what);
        Err(failure(Code::Limit, message))
    }

    /// What was refused costs as much as what was not.
    pub(crate) fn charge(&self) {
        self.left.take();
    }
}

/// One of those open; it is free again when this is dropped.
#[derive(Debug)]
pub(crate) struct Place(Arc<AtomicU32>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_charged_before_they_move() {
        let budget = Budget::new(&NetLimits { bytes_in: 5, ..NetLimits::default() });
        let read = |most: usize| -> Result<usize, Failure> { Ok(most.min(3)) };
        assert_eq!(budget.receive(10, read).unwrap(), 3);
        assert_eq!(budget.receive(10, read).unwrap(), 2);
        assert_eq!(budget.receive(10, read).unwrap_err().code, Code::Limit);
        assert_eq!(budget.receive(0, read).unwrap(), 0);
    }

    #[test]
    fn a_failed_move_costs_nothing() {
        let budget = Budget::new(&NetLimits { bytes_out: 5, ..NetLimits::default() });
        let failed = budget.send(5, |_| Err(failure(Code::Reset, "")));
        assert_eq!(failed.unwrap_err().code, Code::Reset);
        assert_eq!(budget.send(9, Ok::<usize, Failure>).unwrap(), 5);
    }

    #[test]
    fn places_at_once_and_in_all() {
        let budget = Budget::new(&NetLimits { open: 1, total: 2, ..NetLimits::default() });
        let first = budget.connections.take().unwrap();
        assert!(budget.connections.take().is_err());
        drop(first);
        drop(budget.connections.take().unwrap());
        assert!(budget.connections.take().is_err());
        assert!(budget.sessions.take().is_ok());
    }

    #[test]
    fn a_run_begins_with_all_of_its_own_but_the_places_taken() {
        let limits = NetLimits { open: 1, total: 1, bytes_in: 5, ..NetLimits::default() };
        let budget = Budget::new(&limits);
        let open = budget.connections.take().unwrap();
        assert!(budget.lookups.take() && !budget.lookups.take());
        assert_eq!(budget.receive(9, Ok::<usize, Failure>).unwrap(), 5);
        budget.begin_run();
        assert!(budget.lookups.take());
        assert_eq!(budget.receive(9, Ok::<usize, Failure>).unwrap(), 5);
        assert!(budget.connections.take().is_err());
        drop(open);
        drop(budget.connections.take().unwrap());
        budget.begin_run();
        budget.connections.charge();
        assert!(budget.connections.take().is_err());
    }
}
