use bytes::Bytes;
use std::collections::VecDeque;
use std::time::Instant;
use tokio::sync::mpsc;

/// Where a program printed to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OutputStream {
    /// Descriptor 1, `sys.stdout`.
    Stdout,
    /// Descriptor 2, `sys.stderr`.
    Stderr,
}

/// Something the program printed, as it is printed: see
/// [`ExecuteBuilder::with_output_streaming`](crate::ExecuteBuilder::with_output_streaming).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct OutputRequest {
    /// Where to.
    pub stream: OutputStream,
    /// What. Chunks end anywhere, in the middle of a character too.
    pub bytes: Bytes,
}

/// The way to who listens to a run, and may be slow.
#[derive(Debug)]
pub(crate) struct Outlet<T> {
    listener: Option<mpsc::Sender<T>>,
    /// What has no room there yet.
    waiting: VecDeque<T>,
    /// So much may wait while the program goes on.
    most: usize,
    /// Whether a listener for whom more waits is given up, or waited for.
    may_lose: bool,
}

impl<T> Outlet<T> {
    /// Has `most` wait at a time, and waits for the listener if there is more.
    pub(crate) fn lossless(listener: Option<mpsc::Sender<T>>, most: usize) -> Self {
        Self { listener, waiting: VecDeque::new(), most, may_lose: false }
    }

    /// Has `most` wait at a time, and gives the listener up if there is more.
    pub(crate) fn lossy(listener: Option<mpsc::Sender<T>>, most: usize) -> Self {
        Self { may_lose: true, ..Self::lossless(listener, most) }
    }

    /// Whether nobody listens, or nobody any more.
    pub(crate) fn is_closed(&self) -> bool {
        self.listener.is_none()
    }

    /// Whether something has been sent and is not there.
    pub(crate) fn is_behind(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Hands something over, waiting for room; but from this time on it may wait
    /// itself, if not too much does. What waits is handed over before what comes later.
    pub(crate) async fn send(&mut self, one: T, until: Option<Instant>) {
        if self.is_closed() {
            return;
        }
        self.waiting.push_back(one);
        let Some(until) = until else { return self.catch_up().await };
        let is_through = tokio::time::timeout_at(until.into(), self.catch_up()).await.is_ok();
        if is_through || self.waiting.len() <= self.most {
            return;
        }
        if self.may_lose {
            *self = Self::default();
        } else {
            self.catch_up().await;
        }
    }

    /// Hands over what waits.
    pub(crate) async fn catch_up(&mut self) {
        while let Some(listener) = &self.listener
            && self.is_behind()
        {
            let Ok(room) = listener.reserve().await else {
                // Nobody listens any more: the program need not know.
                *self = Self::default();
                return;
            };
            if let Some(one) = self.waiting.pop_front() {
                room.send(one);
            }
        }
    }
}

impl<T> Default for Outlet<T> {
    fn default() -> Self {
        Self::lossless(None, 0)
    }
}
