use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{self, Thread};
use std::time::Duration;
use wasmtime::{Engine, EngineWeak};

/// How often running guests look at the clock.
pub(crate) const TICK: Duration = Duration::from_millis(10);

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
        thread::sleep(TICK);
        if running.load(Ordering::Acquire) == 0 {
            // Wake now and then to see whether the engine still lives.
            thread::park_timeout(Duration::from_secs(1));
        }
    }
}
