//! A tree of inodes in memory.

mod block;
mod file;
mod limits;
mod snapshot;
mod table;
mod tree;

pub use limits::{StorageLimits, StorageUsage};
pub use snapshot::StorageSnapshot;

use super::{DirEntry, Metadata, NodeId, VfsStorage};
use crate::{FileClock, FsError, FsResult};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;
use tree::{ROOT, Tree};

/// Files in memory, within [`StorageLimits`].
///
/// Use [`ArcStorage`](super::ArcStorage) to share it, and
/// [`StorageFiles`](super::StorageFiles) to get files in and out.
///
/// ```
/// use eryx_vfs::{InMemoryStorage, StorageFiles, StorageLimits};
///
/// let limits = StorageLimits::default().with_bytes(1000);
/// let storage = InMemoryStorage::with_limits(limits);
/// storage.write("/a/b.txt", b"hello")?;
/// let fork = storage.fork();
/// fork.write("/a/b.txt", b"changed")?;
/// assert_eq!(storage.read("/a/b.txt")?, b"hello");
/// assert!(storage.write("/large", &[0; 1000]).is_err());
/// # Ok::<(), eryx_vfs::StorageError>(())
/// ```
#[derive(Debug)]
pub struct InMemoryStorage {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    tree: Tree,
    epoch: u32,
    /// The last that there has been; it differs after an exchange was undone.
    last_epoch: u32,
}

impl InMemoryStorage {
    /// An empty storage with the default limits.
    pub fn new() -> Self {
        Self::with_limits(StorageLimits::default())
    }

    /// An empty storage with these limits.
    pub fn with_limits(limits: StorageLimits) -> Self {
        Self::with_clock(limits, FileClock::default())
    }

    /// As [`with_limits`](Self::with_limits), with times from `clock`.
    pub(crate) fn with_clock(limits: StorageLimits, clock: FileClock) -> Self {
        Self::of(Tree::new(limits, clock))
    }

    fn of(tree: Tree) -> Self {
        Self { state: Mutex::new(State { tree, epoch: 0, last_epoch: 0 }) }
    }

    /// The limits.
    pub fn limits(&self) -> StorageLimits {
        self.state().tree.limits
    }

    /// Has what changes from now on get its times from `clock`.
    pub fn set_clock(&self, clock: FileClock) {
        self.state().tree.set_clock(clock);
    }

    /// What is used of the limits.
    pub fn usage(&self) -> StorageUsage {
        self.state().tree.usage
    }

    /// A storage of its own with the same files, limits and clock. Contents are shared
    /// until one side changes them, so that the cost is that of the changes.
    #[must_use]
    pub fn fork(&self) -> Self {
        Self::of(self.state().tree.fork())
    }

    /// All files as they are now; as cheap as [`fork`](Self::fork).
    pub fn snapshot(&self) -> StorageSnapshot {
        StorageSnapshot::of(self.state().tree.fork())
    }

    /// Makes the files those of `snapshot`. What is open is closed: its next
    /// use fails. The limits and the clock stay.
    ///
    /// # Errors
    /// [`FsError::NoSpace`] if the snapshot has more than the limits allow; then
    /// nothing has changed.
    pub fn restore(&self, snapshot: &StorageSnapshot) -> FsResult<()> {
        self.exchange(snapshot).map(drop)
    }

    /// As [`restore`](Self::restore), and answers with what was there, for
    /// [`put_back`](Self::put_back).
    ///
    /// # Errors
    /// As [`restore`](Self::restore).
    pub fn exchange(&self, snapshot: &StorageSnapshot) -> FsResult<Exchanged> {
        let mut state = self.state();
        let mut tree = snapshot.tree().fork().timed_as(&state.tree);
        let limits = state.tree.limits;
        if tree.usage.bytes > limits.bytes || tree.usage.nodes > limits.nodes {
            return Err(FsError::NoSpace);
        }
        tree.limits = limits;
        let epoch = state.last_epoch.checked_add(1).ok_or(FsError::NoSpace)?;
        let tree = std::mem::replace(&mut state.tree, tree);
        let was = Exchanged { tree, epoch: state.epoch };
        (state.epoch, state.last_epoch) = (epoch, epoch);
        Ok(was)
    }

    /// Makes the files those that they were before the exchange. What was open then
    /// is open again; what was opened since fails.
    pub fn put_back(&self, was: Exchanged) {
        let mut state = self.state();
        (state.tree, state.epoch) = (was.tree.timed_as(&state.tree), was.epoch);
    }

    /// A panic of another thread cannot have left a tree half changed that is
    /// worse than a file cut short.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The files of a storage before an [`exchange`](InMemoryStorage::exchange).
#[derive(Debug)]
pub struct Exchanged {
    tree: Tree,
    epoch: u32,
}

impl Default for InMemoryStorage {
    fn default() -> Self {
        Self::new()
    }
}

impl State {
    fn number(&self, node: NodeId) -> FsResult<u64> {
        if node.epoch == self.epoch { Ok(node.number) } else { Err(FsError::BadDescriptor) }
    }

    fn id(&self, number: u64) -> NodeId {
        NodeId { epoch: self.epoch, number }
    }
}

impl VfsStorage for InMemoryStorage {
    fn root(&self) -> NodeId {
        self.state().id(ROOT)
    }

    fn lookup(&self, dir: NodeId, name: &str) -> FsResult<NodeId> {
        let state = self.state();
        let number = state.tree.lookup(state.number(dir)?, name)?;
        Ok(state.id(number))
    }

    fn stat(&self, node: NodeId) -> FsResult<Metadata> {
        let state = self.state();
        state.tree.stat(state.number(node)?)
    }

    fn open(&self, node: NodeId) -> FsResult<()> {
        let mut state = self.state();
        let number = state.number(node)?;
        state.tree.open(number)
    }

    fn close(&self, node: NodeId) {
        let mut state = self.state();
        if let Ok(number) = state.number(node) {
            state.tree.close(number);
        }
    }

    fn read_at(&self, file: NodeId, offset: u64, length: usize) -> FsResult<Vec<u8>> {
        let state = self.state();
        state.tree.read_at(state.number(file)?, offset, length)
    }

    fn write_at(&self, file: NodeId, offset: u64, bytes: &[u8]) -> FsResult<()> {
        let mut state = self.state();
        let number = state.number(file)?;
        state.tree.write_at(number, offset, bytes)
    }

    fn append(&self, file: NodeId, bytes: &[u8]) -> FsResult<()> {
        let mut state = self.state();
        let number = state.number(file)?;
        state.tree.append(number, bytes)
    }

    fn set_size(&self, file: NodeId, size: u64) -> FsResult<()> {
        let mut state = self.state();
        let number = state.number(file)?;
        state.tree.set_size(number, size)
    }

    fn replace(&self, file: NodeId, bytes: &[u8]) -> FsResult<()> {
        let mut state = self.state();
        let number = state.number(file)?;
        state.tree.replace(number, bytes)
    }

    fn set_times(
        &self,
        node: NodeId,
        accessed: Option<SystemTime>,
        modified: Option<SystemTime>,
    ) -> FsResult<()> {
        let mut state = self.state();
        let number = state.number(node)?;
        state.tree.set_times(number, accessed, modified)
    }

    fn read_dir(&self, dir: NodeId, after: Option<&str>, count: usize) -> FsResult<Vec<DirEntry>> {
        let state = self.state();
        state.tree.read_dir(state.number(dir)?, after, count)
    }

    fn create_file(&self, dir: NodeId, name: &str) -> FsResult<NodeId> {
        let mut state = self.state();
        let dir = state.number(dir)?;
        let number = state.tree.create_file(dir, name)?;
        Ok(state.id(number))
    }

    fn create_dir(&self, dir: NodeId, name: &str) -> FsResult<NodeId> {
        let mut state = self.state();
        let dir = state.number(dir)?;
        let number = state.tree.create_dir(dir, name)?;
        Ok(state.id(number))
    }

    fn create_symlink(&self, dir: NodeId, name: &str, target: &str) -> FsResult<NodeId> {
        let mut state = self.state();
        let dir = state.number(dir)?;
        let number = state.tree.create_symlink(dir, name, target)?;
        Ok(state.id(number))
    }

    fn read_link(&self, link: NodeId) -> FsResult<String> {
        let state = self.state();
        state.tree.read_link(state.number(link)?)
    }

    fn link(&self, node: NodeId, dir: NodeId, name: &str) -> FsResult<()> {
        let mut state = self.state();
        let (node, dir) = (state.number(node)?, state.number(dir)?);
        state.tree.link(node, dir, name)
    }

    fn unlink(&self, dir: NodeId, name: &str) -> FsResult<()> {
        let mut state = self.state();
        let dir = state.number(dir)?;
        state.tree.unlink(dir, name)
    }

    fn remove_dir(&self, dir: NodeId, name: &str) -> FsResult<()> {
        let mut state = self.state();
        let dir = state.number(dir)?;
        state.tree.remove_dir(dir, name)
    }

    fn rename(&self, from: NodeId, name: &str, to: NodeId, new_name: &str) -> FsResult<()> {
        let mut state = self.state();
        let (from, to) = (state.number(from)?, state.number(to)?);
        state.tree.rename(from, name, to, new_name)
    }

    fn snapshot(&self) -> FsResult<StorageSnapshot> {
        Ok(Self::snapshot(self))
    }

    fn restore(&self, snapshot: &StorageSnapshot) -> FsResult<()> {
        Self::restore(self, snapshot)
    }

    fn usage(&self) -> FsResult<StorageUsage> {
        Ok(Self::usage(self))
    }
}
