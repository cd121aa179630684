use super::VfsStorage;
use crate::FsResult;
use std::ops::Deref;
use std::sync::Arc;

/// A storage with several owners: clones lead to the same files.
///
/// Guests that run at the same time are kept apart by record locks, as SQLite asks for
/// them. The host has none: it should not write to a database that a guest has open.
///
/// ```
/// use eryx_vfs::{ArcStorage, InMemoryStorage, StorageFiles};
///
/// let storage = ArcStorage::new(InMemoryStorage::new());
/// let same = storage.clone();
/// storage.write("/notes/a.txt", b"hello")?;
/// assert_eq!(same.read("/notes/a.txt")?, b"hello");
/// # Ok::<(), eryx_vfs::StorageError>(())
/// ```
#[derive(Debug, Clone)]
pub struct ArcStorage(Arc<dyn VfsStorage>);

impl ArcStorage {
    /// Shares `storage`.
    pub fn new(storage: impl VfsStorage) -> Self {
        Self(Arc::new(storage))
    }

    /// Tells this storage from all others that are there.
    pub(crate) fn address(&self) -> usize {
        Arc::as_ptr(&self.0).addr()
    }

    /// A storage of its own with the same files and limits, for one that can tell
    /// its files: [`InMemoryStorage`](super::InMemoryStorage) can, at the cost of
    /// what changes afterwards.
    ///
    /// # Errors
    /// [`FsError::Unsupported`](crate::FsError::Unsupported) for others.
    pub fn fork(&self) -> FsResult<Self> {
        Ok(Self::new(self.0.snapshot()?.to_storage()))
    }

    /// Whether both lead to the same files.
    pub fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl<T: VfsStorage> From<Arc<T>> for ArcStorage {
    fn from(storage: Arc<T>) -> Self {
        Self(storage)
    }
}

impl<T: VfsStorage> From<T> for ArcStorage {
    fn from(storage: T) -> Self {
        Self::new(storage)
    }
}

impl Deref for ArcStorage {
    type Target = dyn VfsStorage;

    fn deref(&self) -> &Self::Target {
        &*self.0
    }
}
