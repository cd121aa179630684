use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{self, Thread};
use std::time::Duration;
use wasmtime::{Engine, EngineWeak};

/// How often running guests look at the clock and let others run, if they are few.
const TICK: Duration = Duration::from_millis(10);

/// Within this time all that share one thread shall have had a turn: what else
/// runs on it, timers too, waits no longer.
const ROUND: Duration = Duration::from_millis(40);

/// More often they do not, however many they are.
const SHORTEST_TICK: Duration = Duration::from_millis(1);

/// Advances an engine's epoch while anything runs in it. There is one ticker
/// per engine; when nothing runs, its thread sleeps.
#[derive(Debug, Clone)]
pub(crate) struct Ticker {
    running: Arc<AtomicUsize>,
    thread: Thread,
}

/// While it lives, the epoch advances.
#[derive(Debug)]
pub(crate) struct Ticking(Ticker);

impl Ticker {
    pub(crate) fn start(engine: &Engine) -> std::io::Result<Self> {
        let running = Arc::new(AtomicUsize::new(0));
        let engine = engine.weak();
        let counter = Arc::clone(&running);
        let thread = thread::Builder::new()
            .name("eryx-ticker".into())
            .spawn(move || tick(&engine, &counter))?
            .thread()
            .clone();
        Ok(Self { running, thread })
    }

    pub(crate) fn run(&self) -> Ticking {
        if self.running.fetch_add(1, Ordering::AcqRel) == 0 {
            self.thread.unpark();
        }
        Ticking(self.clone())
    }
}

impl Drop for Ticking {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Ends when the engine is gone.
fn tick(engine: &EngineWeak, running: &AtomicUsize) {
    while let Some(engine) = engine.upgrade() {
        engine.increment_epoch();
        drop(engine);
        let now_running = running.load(Ordering::Acquire);
        thread::sleep(tick_among(now_running));
        if running.load(Ordering::Acquire) == 0 {
            // Wake now and then to see whether the engine still lives.
            thread::park_timeout(Duration::from_secs(1));
        }
    }
}

fn tick_among(running: usize) -> Duration {
    let running = u32::try_from(running).unwrap_or(u32::MAX).max(1);
    (ROUND / running).clamp(SHORTEST_TICK, TICK)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_guests_have_shorter_turns() {
        for (running, milliseconds) in [(0, 10), (1, 10), (4, 10), (8, 5), (20, 2), (40, 1)] {
            assert_eq!(tick_among(running), Duration::from_millis(milliseconds), "{running}");
        }
        assert_eq!(tick_among(usize::MAX), SHORTEST_TICK);
    }
}
