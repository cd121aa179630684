use crate::ctx::Handle;
use crate::known::{Id, Known};
use crate::locks::{Access, Action, Lockable, Request};
use crate::place::blocking;
use crate::real::{RealFile, WriteQuota};
use crate::storage::{ArcStorage, NodeId};
use crate::{FsError, FsResult};
use bytes::Bytes;
use std::sync::OnceLock;
use std::time::SystemTime;

/// The most bytes that one call reads.
pub(crate) const LARGEST_READ: usize = 1 << 20;

/// A file that a guest has open. Streams share it.
#[derive(Debug)]
pub(crate) struct OpenFile {
    pub(crate) mount: usize,
    pub(crate) contents: Contents,
    pub(crate) may_read: bool,
    pub(crate) may_write: bool,
    /// Whether the mount lets files be changed: times need no open for writing.
    pub(crate) may_change: bool,
    pub(crate) handle: Handle,
    /// What of it was locked, if it was.
    pub(crate) locked: OnceLock<Lockable>,
}

#[derive(Debug)]
pub(crate) enum Contents {
    Memory(Pin),
    Real(RealFile, WriteQuota),
}

/// A node that stays while this does, even without a name.
#[derive(Debug)]
pub(crate) struct Pin {
    storage: ArcStorage,
    node: NodeId,
}

impl Pin {
    pub(crate) fn new(storage: &ArcStorage, node: NodeId) -> FsResult<Self> {
        storage.open(node)?;
        Ok(Self { storage: storage.clone(), node })
    }

    fn lockable(&self) -> Lockable {
        Lockable::Memory { storage: self.storage.address(), node: self.node }
    }

    fn write(&self, offset: Option<u64>, bytes: &[u8]) -> FsResult<()> {
        match offset {
            Some(offset) => self.storage.write_at(self.node, offset, bytes),
            None => self.storage.append(self.node, bytes),
        }
    }
}

impl Drop for Pin {
    fn drop(&mut self) {
        self.storage.close(self.node);
    }
}

impl OpenFile {
    pub(crate) fn is_on_host(&self) -> bool {
        matches!(self.contents, Contents::Real(..))
    }

    /// Reads what is in memory, without waiting; `None` for a file of the host.
    pub(crate) fn read_now(&self, offset: u64, length: usize) -> Option<FsResult<Vec<u8>>> {
        let Contents::Memory(pin) = &self.contents else { return None };
        if !self.may_read {
            return Some(Err(FsError::BadDescriptor));
        }
        Some(pin.storage.read_at(pin.node, offset, length.min(LARGEST_READ)))
    }

    /// Writes to memory, without waiting; `None` for a file of the host.
    pub(crate) fn write_now(&self, offset: Option<u64>, bytes: &[u8]) -> Option<FsResult<()>> {
        let Contents::Memory(pin) = &self.contents else { return None };
        Some(self.check_write().and_then(|()| pin.write(offset, bytes)))
    }

    /// At most `length` bytes, and never more than [`LARGEST_READ`]; none at the
    /// end of the file.
    pub(crate) async fn read(&self, offset: u64, length: u64) -> FsResult<Vec<u8>> {
        if !self.may_read {
            return Err(FsError::BadDescriptor);
        }
        let length = usize::try_from(length).unwrap_or(usize::MAX).min(LARGEST_READ);
        match &self.contents {
            Contents::Memory(pin) => pin.storage.read_at(pin.node, offset, length),
            Contents::Real(file, _) => {
                let file = file.clone();
                blocking(move || file.read_at(offset, length)).await
            }
        }
    }

    /// Writes all or nothing; at the end without an offset.
    pub(crate) async fn write(&self, offset: Option<u64>, bytes: Bytes) -> FsResult<()> {
        self.check_write()?;
        match &self.contents {
            Contents::Memory(pin) => pin.write(offset, &bytes),
            Contents::Real(file, quota) => {
                let (file, quota) = (file.clone(), quota.clone());
                blocking(move || write_real(&file, &quota, offset, &bytes)).await
            }
        }
    }

    pub(crate) fn check_write(&self) -> FsResult<()> {
        if self.may_write { Ok(()) } else { Err(FsError::BadDescriptor) }
    }

    pub(crate) async fn set_size(&self, size: u64) -> FsResult<()> {
        self.check_write()?;
        match &self.contents {
            Contents::Memory(pin) => pin.storage.set_size(pin.node, size),
            Contents::Real(file, quota) => {
                let (file, quota) = (file.clone(), quota.clone());
                blocking(move || {
                    let more = size.saturating_sub(file.size()?);
                    quota.spend(more, || file.set_size(size))
                })
                .await
            }
        }
    }

    pub(crate) async fn set_times(
        &self,
        accessed: Option<SystemTime>,
        modified: Option<SystemTime>,
    ) -> FsResult<()> {
        if !self.may_change {
            return Err(FsError::ReadOnly);
        }
        match &self.contents {
            Contents::Memory(pin) => pin.storage.set_times(pin.node, accessed, modified),
            Contents::Real(file, _) => {
                let file = file.clone();
                blocking(move || file.set_times(accessed, modified)).await
            }
        }
    }

    pub(crate) async fn sync(&self) -> FsResult<()> {
        match &self.contents {
            Contents::Memory(_) => Ok(()),
            Contents::Real(file, _) => {
                let file = file.clone();
                blocking(move || file.sync()).await
            }
        }
    }

    /// Locks or unlocks bytes of it for the program that has it open.
    pub(crate) async fn lock(&self, request: &Request) -> FsResult<()> {
        match request.action {
            Action::Lock(Access::Read) if !self.may_read => return Err(FsError::BadDescriptor),
            Action::Lock(Access::Write) => self.check_write()?,
            _ => {}
        }
        let file = match (self.locked.get(), &self.contents) {
            (Some(file), _) => *file,
            (None, Contents::Memory(pin)) => pin.lockable(),
            (None, Contents::Real(file, _)) => {
                let file = file.clone();
                Lockable::Real(blocking(move || file.stat()).await?.1)
            }
        };
        let locks = self.handle.locks();
        match request.action {
            // Who can change nothing must not keep others from it: the lock is not
            // there if a writer has one, and is not held.
            Action::Lock(access) if !self.may_change => {
                let bytes = request.bytes.clone();
                return locks.request(file, &Request { action: Action::Test(access), bytes });
            }
            _ => locks.request(file, request)?,
        }
        self.locked.get_or_init(|| file);
        Ok(())
    }

    pub(crate) async fn stat(&self) -> FsResult<Known> {
        match &self.contents {
            Contents::Memory(pin) => {
                let metadata = pin.storage.stat(pin.node)?;
                Ok(Known { metadata, id: Id::memory(self.mount, pin.node) })
            }
            Contents::Real(file, _) => {
                let file = file.clone();
                let (metadata, identity) = blocking(move || file.stat()).await?;
                Ok(Known { metadata, id: Id::real(identity) })
            }
        }
    }
}

impl Drop for OpenFile {
    /// As in POSIX: with one handle of a file all locks of it go.
    fn drop(&mut self) {
        if let Some(file) = self.locked.get() {
            self.handle.locks().release(*file);
        }
    }
}

/// Charged is what is written, and also what a jump beyond the end adds.
fn write_real(
    file: &RealFile,
    quota: &WriteQuota,
    offset: Option<u64>,
    bytes: &[u8],
) -> FsResult<()> {
    let length = u64::try_from(bytes.len()).map_err(|_| FsError::TooLarge)?;
    let Some(offset) = offset else {
        return quota.spend(length, || file.append(bytes));
    };
    let end = offset.checked_add(length).ok_or(FsError::TooLarge)?;
    let more = end.saturating_sub(file.size()?).max(length);
    quota.spend(more, || file.write_at(offset, bytes))
}
