use super::{DirEntry, FileKind, Metadata, NodeId, VfsStorage};
use crate::{FsError, FsResult};
use bytes::Bytes;
use std::fmt;
use std::sync::LazyLock;
use std::time::SystemTime;

const NODE: NodeId = NodeId { epoch: 0, number: 0 };

/// One file whose content is in memory already and never changes. It is the root
/// itself: where it is mounted there is a file, not a directory. Guests get copies of
/// what they read; nothing else is copied. Mount it read-only, so that who wants to write
/// to it is refused when opening it; otherwise each write is.
///
/// ```
/// use eryx_vfs::{MountTable, OneFile};
///
/// let words = OneFile::new(&b"hello\n"[..]);
/// let table = MountTable::builder().read_only_storage("/usr/share/words", words).build()?;
/// # Ok::<(), eryx_vfs::ConfigError>(())
/// ```
pub struct OneFile(LazyLock<Option<Bytes>, Content>);

type Content = Box<dyn FnOnce() -> Option<Bytes> + Send>;

impl OneFile {
    /// With this content.
    pub fn new(content: impl Into<Bytes>) -> Self {
        let content = content.into();
        Self::lazy(|| Some(content))
    }

    /// With what `content` gives when a guest first asks for the file; with `None` there
    /// is no such file. It is called once, by the guest's call, so it must not wait.
    pub fn lazy(content: impl FnOnce() -> Option<Bytes> + Send + 'static) -> Self {
        Self(LazyLock::new(Box::new(content)))
    }

    fn content(&self) -> FsResult<&Bytes> {
        self.0.as_ref().ok_or(FsError::NoEntry)
    }
}

impl fmt::Debug for OneFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OneFile").finish_non_exhaustive()
    }
}

impl VfsStorage for OneFile {
    fn root(&self) -> NodeId {
        NODE
    }

    fn lookup(&self, _: NodeId, _: &str) -> FsResult<NodeId> {
        Err(FsError::NotDirectory)
    }

    fn stat(&self, _: NodeId) -> FsResult<Metadata> {
        let size = u64::try_from(self.content()?.len()).map_err(|_| FsError::TooLarge)?;
        Ok(Metadata {
            kind: FileKind::File,
            size,
            links: 1,
            accessed: None,
            modified: None,
            changed: None,
        })
    }

    fn open(&self, _: NodeId) -> FsResult<()> {
        self.content().map(drop)
    }

    fn close(&self, _: NodeId) {}

    fn read_at(&self, _: NodeId, offset: u64, length: usize) -> FsResult<Vec<u8>> {
        let content = self.content()?;
        let start = usize::try_from(offset).unwrap_or(usize::MAX).min(content.len());
        let end = start.saturating_add(length).min(content.len());
        Ok(content.get(start..end).unwrap_or_default().to_vec())
    }

    fn write_at(&self, _: NodeId, _: u64, _: &[u8]) -> FsResult<()> {
        Err(FsError::ReadOnly)
    }

    fn append(&self, _: NodeId, _: &[u8]) -> FsResult<()> {
        Err(FsError::ReadOnly)
    }

    fn set_size(&self, _: NodeId, _: u64) -> FsResult<()> {
        Err(FsError::ReadOnly)
    }

    fn set_times(&self, _: NodeId, _: Option<SystemTime>, _: Option<SystemTime>) -> FsResult<()> {
        Err(FsError::ReadOnly)
    }

    fn read_dir(&self, _: NodeId, _: Option<&str>, _: usize) -> FsResult<Vec<DirEntry>> {
        Err(FsError::NotDirectory)
    }

    fn create_file(&self, _: NodeId, _: &str) -> FsResult<NodeId> {
        Err(FsError::NotDirectory)
    }

    fn create_dir(&self, _: NodeId, _: &str) -> FsResult<NodeId> {
        Err(FsError::NotDirectory)
    }

    fn create_symlink(&self, _: NodeId, _: &str, _: &str) -> FsResult<NodeId> {
        Err(FsError::NotDirectory)
    }

    fn read_link(&self, _: NodeId) -> FsResult<String> {
        Err(FsError::Invalid)
    }

    fn link(&self, _: NodeId, _: NodeId, _: &str) -> FsResult<()> {
        Err(FsError::NotDirectory)
    }

    fn unlink(&self, _: NodeId, _: &str) -> FsResult<()> {
        Err(FsError::NotDirectory)
    }

    fn remove_dir(&self, _: NodeId, _: &str) -> FsResult<()> {
        Err(FsError::NotDirectory)
    }

    fn rename(&self, _: NodeId, _: &str, _: NodeId, _: &str) -> FsResult<()> {
        Err(FsError::NotDirectory)
    }
}
