//! Ctrl-C.

use eryx::CancellationToken;

/// Listens for Ctrl-C: the first asks the run to end, so that what it left can be
/// shown; another ends this program, whatever it does.
#[derive(Debug)]
pub(crate) struct Interrupt {
    #[cfg(unix)]
    no_more: std::sync::Arc<std::sync::atomic::AtomicBool>,
}

#[cfg(unix)]
impl Interrupt {
    pub(crate) fn listen(run: CancellationToken) -> std::io::Result<Self> {
        use signal_hook::consts::SIGINT;
        use std::sync::atomic::Ordering;

        let no_more = std::sync::Arc::default();
        let listener = Self { no_more: std::sync::Arc::clone(&no_more) };
        let mut signals = signal_hook::iterator::Signals::new([SIGINT])?;
        std::thread::Builder::new().name("interrupt".into()).spawn(move || {
            for _ in signals.forever() {
                if no_more.swap(true, Ordering::Relaxed) {
                    std::process::exit(crate::exit::Exit::Interrupted.status().into());
                }
                run.cancel();
            }
        })?;
        Ok(listener)
    }

    /// The run has ended: from now on the first ends the program.
    pub(crate) fn run_ended(&self) {
        self.no_more.store(true, std::sync::atomic::Ordering::Relaxed);
    }
}

/// Elsewhere the system ends the program.
#[cfg(not(unix))]
impl Interrupt {
    #[expect(clippy::unnecessary_wraps, reason = "the same signature as on Unix")]
    pub(crate) fn listen(_run: CancellationToken) -> std::io::Result<Self> {
        Ok(Self {})
    }

    pub(crate) fn run_ended(&self) {}
}
