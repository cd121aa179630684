//! Where files in memory live.

mod archive;
mod files;
mod memory;
mod one_file;
mod shared;
mod tar_entries;

pub use files::StorageFiles;
pub use memory::{Exchanged, InMemoryStorage, StorageLimits, StorageSnapshot, StorageUsage};
pub use one_file::OneFile;
pub use shared::ArcStorage;
pub use tar_entries::for_each_entry;

#[cfg(any(test, feature = "fuzzing"))]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
pub(crate) fn node_at(storage: &impl VfsStorage, path: &str) -> NodeId {
    files::find(storage, &format!("{path}/")).unwrap()
}

use crate::{FsError, FsResult};
use std::fmt;
use std::time::SystemTime;

/// One file, directory or link of a storage. A number is not used twice, so
/// that a handle of something removed never means something new.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeId {
    /// Counts restores: nodes from before one are gone.
    pub epoch: u32,
    /// The node's number within its epoch.
    pub number: u64,
}

/// What a node is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FileKind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link.
    Symlink,
}

/// What is known of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Metadata {
    /// What it is.
    pub kind: FileKind,
    /// Bytes of a file or of a link's target; 0 for a directory.
    pub size: u64,
    /// How many names it has.
    pub links: u64,
    /// When it was last read, if that is kept.
    pub accessed: Option<SystemTime>,
    /// When its contents last changed.
    pub modified: Option<SystemTime>,
    /// When it or its contents last changed.
    pub changed: Option<SystemTime>,
}

/// One entry of a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DirEntry {
    /// The entry's name.
    pub name: String,
    /// What it is; links are not followed.
    pub kind: FileKind,
}

/// A tree of files that answers at once, as memory does.
///
/// Every call is atomic: two users of a storage never see half of one. Names
/// are checked by the caller to be single names. What a call would make grow is
/// charged against the storage's limits before memory is taken.
///
/// [`InMemoryStorage`] is the implementation to use, [`OneFile`] that for a single file
/// which does not change; [`StorageFiles`] gives all of them calls that take paths.
pub trait VfsStorage: fmt::Debug + Send + Sync + 'static {
    /// The directory that everything is in; or a file, if it is all that there is.
    fn root(&self) -> NodeId;

    /// The node of that name in `dir`; links are not followed.
    fn lookup(&self, dir: NodeId, name: &str) -> FsResult<NodeId>;

    /// What is known of a node.
    fn stat(&self, node: NodeId) -> FsResult<Metadata>;

    /// Keeps a node alive, even without a name, until as many calls of
    /// [`close`](Self::close).
    fn open(&self, node: NodeId) -> FsResult<()>;

    /// Ends what [`open`](Self::open) began.
    fn close(&self, node: NodeId);

    /// At most `length` bytes from `offset`; fewer at the end of the file only.
    fn read_at(&self, file: NodeId, offset: u64, length: usize) -> FsResult<Vec<u8>>;

    /// Writes all of `bytes`, or nothing. What lies between the old end and
    /// `offset` reads as zeros.
    fn write_at(&self, file: NodeId, offset: u64, bytes: &[u8]) -> FsResult<()>;

    /// Writes all of `bytes` at the end, or nothing.
    fn append(&self, file: NodeId, bytes: &[u8]) -> FsResult<()>;

    /// Cuts a file, or makes it longer by zeros.
    fn set_size(&self, file: NodeId, size: u64) -> FsResult<()>;

    /// Makes `bytes` all that is in a file, or leaves it as it was.
    fn replace(&self, file: NodeId, bytes: &[u8]) -> FsResult<()> {
        let size = u64::try_from(bytes.len()).map_err(|_| FsError::TooLarge)?;
        // Overwrites first and cuts afterwards: if it does not fit nothing is lost.
        self.write_at(file, 0, bytes)?;
        self.set_size(file, size)
    }

    /// Sets times; `None` leaves one as it is.
    fn set_times(
        &self,
        node: NodeId,
        accessed: Option<SystemTime>,
        modified: Option<SystemTime>,
    ) -> FsResult<()>;

    /// Up to `count` entries of a directory, without `.` and `..`, in the order
    /// of their names; those that come after the name `after`, if there is one.
    /// So a listing taken in parts meets what is there all the time just once.
    fn read_dir(&self, dir: NodeId, after: Option<&str>, count: usize) -> FsResult<Vec<DirEntry>>;

    /// A new empty file; the name must be free.
    fn create_file(&self, dir: NodeId, name: &str) -> FsResult<NodeId>;

    /// A new empty directory; the name must be free.
    fn create_dir(&self, dir: NodeId, name: &str) -> FsResult<NodeId>;

    /// A new symbolic link; the name must be free.
    fn create_symlink(&self, dir: NodeId, name: &str, target: &str) -> FsResult<NodeId>;

    /// Where a symbolic link points.
    fn read_link(&self, link: NodeId) -> FsResult<String>;

    /// One more name for a file or link; the name must be free.
    fn link(&self, node: NodeId, dir: NodeId, name: &str) -> FsResult<()>;

    /// Removes a name that is no directory's.
    fn unlink(&self, dir: NodeId, name: &str) -> FsResult<()>;

    /// Removes an empty directory.
    fn remove_dir(&self, dir: NodeId, name: &str) -> FsResult<()>;

    /// Moves a name, replacing what has the new one, after the rules of POSIX.
    fn rename(&self, from: NodeId, name: &str, to: NodeId, new_name: &str) -> FsResult<()>;

    /// All files as they are now, if the storage can tell.
    ///
    /// # Errors
    /// [`FsError::Unsupported`] if it cannot.
    fn snapshot(&self) -> FsResult<StorageSnapshot> {
        Err(FsError::Unsupported)
    }

    /// Makes the files those of `snapshot`, if the storage can.
    ///
    /// # Errors
    /// [`FsError::NoSpace`] if they are more than it may hold,
    /// [`FsError::Unsupported`] if it cannot; nothing has changed then.
    fn restore(&self, snapshot: &StorageSnapshot) -> FsResult<()> {
        let _ = snapshot;
        Err(FsError::Unsupported)
    }

    /// What is used of the storage's limits, if it can tell.
    ///
    /// # Errors
    /// [`FsError::Unsupported`] if it cannot.
    fn usage(&self) -> FsResult<StorageUsage> {
        Err(FsError::Unsupported)
    }
}
