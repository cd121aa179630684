//! Pauses that are as long as they say.

use std::thread;
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

/// Ends pauses of one length on time.
pub(crate) struct Sleeper(std::sync::mpsc::Sender<(Instant, oneshot::Sender<()>)>);

impl Sleeper {
    pub(crate) fn start() -> Self {
        let (sender, pauses) = std::sync::mpsc::channel::<(Instant, oneshot::Sender<()>)>();
        thread::spawn(move || {
            for (end, told) in pauses {
                thread::sleep(end.saturating_duration_since(Instant::now()));
                told.send(()).ok();
            }
        });
        Self(sender)
    }

    pub(crate) fn sleep(&self, pause: Duration) -> oneshot::Receiver<()> {
        let (told, end) = oneshot::channel();
        self.0.send((Instant::now() + pause, told)).unwrap();
        end
    }
}
