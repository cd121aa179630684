//! Files as WASI streams.

use crate::ctx::Handle;
use crate::open_file::{LARGEST_READ, OpenFile};
use crate::{FsError, FsResult};
use bytes::Bytes;
use std::sync::Arc;
use tokio::task::JoinHandle;
use wasmtime_wasi_io::async_trait;
use wasmtime_wasi_io::poll::Pollable;
use wasmtime_wasi_io::streams::{InputStream, OutputStream, StreamError, StreamResult};

/// What is read ahead for a guest that polls instead of waiting.
const READ_AHEAD: u64 = 64 << 10;

/// What a stream to memory says it will take at a time: so much of one program is
/// never mixed with another's.
const WRITE_SIZE: usize = 8 << 20;

/// What a stream to the host takes at a time, and has in memory until it is written.
const HOST_WRITE_SIZE: usize = 64 << 10;

fn failed(error: FsError) -> StreamError {
    StreamError::LastOperationFailed(error.into())
}

fn length(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}

/// Reads a file from an offset on.
pub(crate) struct FileReader {
    file: Arc<OpenFile>,
    offset: u64,
    ahead: Option<FsResult<Bytes>>,
    _handle: Handle,
}

impl FileReader {
    pub(crate) fn new(file: Arc<OpenFile>, offset: u64) -> FsResult<Self> {
        let handle = file.handle.stream()?;
        Ok(Self { file, offset, ahead: None, _handle: handle })
    }

    async fn fetch(&mut self, size: u64) -> FsResult<Bytes> {
        let bytes = self.file.read(self.offset, size).await?;
        self.offset = self.offset.saturating_add(length(&bytes));
        Ok(bytes.into())
    }
}

#[async_trait]
impl InputStream for FileReader {
    fn read(&mut self, size: usize) -> StreamResult<Bytes> {
        if self.ahead.is_none()
            && size > 0
            && let Some(bytes) = self.file.read_now(self.offset, size)
        {
            self.ahead = Some(bytes.map(Bytes::from));
            if let Some(Ok(bytes)) = &self.ahead {
                self.offset = self.offset.saturating_add(length(bytes));
            }
        }
        match self.ahead.take() {
            None => Ok(Bytes::new()),
            Some(Err(error)) => Err(failed(error)),
            Some(Ok(bytes)) if bytes.is_empty() => Err(StreamError::Closed),
            Some(Ok(mut bytes)) => {
                let now = bytes.split_to(size.min(bytes.len()));
                if !bytes.is_empty() {
                    self.ahead = Some(Ok(bytes));
                }
                Ok(now)
            }
        }
    }

    async fn blocking_read(&mut self, size: usize) -> StreamResult<Bytes> {
        if self.ahead.is_some() {
            return self.read(size);
        }
        let wanted = u64::try_from(size.min(LARGEST_READ)).unwrap_or(0);
        match self.fetch(wanted).await {
            Ok(bytes) if bytes.is_empty() && size > 0 => Err(StreamError::Closed),
            Ok(bytes) => Ok(bytes),
            Err(error) => Err(failed(error)),
        }
    }
}

#[async_trait]
impl Pollable for FileReader {
    async fn ready(&mut self) {
        if self.ahead.is_none() {
            self.ahead = Some(self.fetch(READ_AHEAD).await);
        }
    }
}

/// Writes a file from an offset on, or at its end.
pub(crate) struct FileWriter {
    file: Arc<OpenFile>,
    /// `None`: at the end.
    offset: Option<u64>,
    state: State,
    _handle: Handle,
}

enum State {
    Ready,
    /// A write to the host is under way, from this offset on.
    Writing(Task, Option<u64>),
    Failed(FsError),
}

/// A write that ends with who has begun it, but for what the host is doing just now.
struct Task(JoinHandle<FsResult<()>>);

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl FileWriter {
    pub(crate) fn new(file: Arc<OpenFile>, offset: Option<u64>) -> FsResult<Self> {
        let handle = file.handle.stream()?;
        Ok(Self { file, offset, state: State::Ready, _handle: handle })
    }

    fn most(&self) -> usize {
        if self.file.is_on_host() { HOST_WRITE_SIZE } else { WRITE_SIZE }
    }

    async fn settle(&mut self) {
        if let State::Writing(task, offset) = &mut self.state {
            self.state = match (&mut task.0).await.unwrap_or(Err(FsError::Io)) {
                Ok(()) => State::Ready,
                Err(error) => {
                    self.offset = *offset;
                    State::Failed(error)
                }
            };
        }
    }

    /// Fails once with the error of an earlier write. Nothing of that was
    /// written: the guest may make room and try again.
    fn check(&mut self) -> StreamResult<()> {
        if let State::Failed(error) = self.state {
            self.state = State::Ready;
            return Err(failed(error));
        }
        Ok(())
    }

    fn advance(&mut self, bytes: &[u8]) {
        self.offset = self.offset.map(|offset| offset.saturating_add(length(bytes)));
    }
}

#[async_trait]
impl OutputStream for FileWriter {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.check()?;
        if let State::Writing(..) = self.state {
            return Err(StreamError::trap("written before the last write had ended"));
        }
        if bytes.len() > self.most() {
            return Err(StreamError::trap("written more than the stream takes at a time"));
        }
        let offset = self.offset;
        if let Some(written) = self.file.write_now(offset, &bytes) {
            written.map_err(failed)?;
            self.advance(&bytes);
            return Ok(());
        }
        let runtime = tokio::runtime::Handle::try_current().map_err(|_| failed(FsError::Io))?;
        self.advance(&bytes);
        let file = Arc::clone(&self.file);
        let task = runtime.spawn(async move { file.write(offset, bytes).await });
        self.state = State::Writing(Task(task), offset);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        self.check()
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        self.check()?;
        Ok(if let State::Writing(..) = self.state { 0 } else { self.most() })
    }

    async fn blocking_write_and_flush(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.settle().await;
        self.check()?;
        self.file.write(self.offset, bytes.clone()).await.map_err(failed)?;
        self.advance(&bytes);
        Ok(())
    }

    async fn cancel(&mut self) {
        self.settle().await;
    }
}

#[async_trait]
impl Pollable for FileWriter {
    async fn ready(&mut self) {
        self.settle().await;
    }
}
