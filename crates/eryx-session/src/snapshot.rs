use crate::SnapshotMetadata;
use crate::envelope::{self, Contents, Kind};
use eryx_core::SnapshotError;
use std::fmt;

/// The most bytes that a snapshot may have: 64 MiB.
pub const MAX_SNAPSHOT_SIZE: usize = 64 << 20;

/// A session's variables, saved by value.
///
/// It can be restored by any runtime with the same version of Python. What is in
/// it the program decided: restoring it runs code, inside the sandbox only.
#[derive(Clone, PartialEq, Eq)]
pub struct PythonStateSnapshot {
    data: Vec<u8>,
    /// Empty if there are none.
    files: Vec<u8>,
    metadata: SnapshotMetadata,
}

/// How to save.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SnapshotOptions {
    /// Leaves out what cannot be saved, and tells, instead of failing. Off.
    pub skip_unsaveable: bool,
    /// The most bytes, of variables and files together. [`MAX_SNAPSHOT_SIZE`], which
    /// it cannot exceed.
    pub max_bytes: u64,
    /// Saves the session's own files too, by value: all that is under no mount. And
    /// variables that are open files: they are opened again by path, at their
    /// position. A store that knows of no files
    /// ([`RuntimeView::save_files`](eryx_core::RuntimeView::save_files)) refuses. Off.
    pub files: bool,
}

impl Default for SnapshotOptions {
    fn default() -> Self {
        Self { skip_unsaveable: false, max_bytes: MAX_SNAPSHOT_SIZE as u64, files: false }
    }
}

impl SnapshotOptions {
    /// Sets [`skip_unsaveable`](Self::skip_unsaveable).
    #[must_use]
    pub fn with_skip_unsaveable(mut self, skip: bool) -> Self {
        self.skip_unsaveable = skip;
        self
    }

    /// Sets [`max_bytes`](Self::max_bytes).
    #[must_use]
    pub fn with_max_bytes(mut self, bytes: u64) -> Self {
        self.max_bytes = bytes.min(MAX_SNAPSHOT_SIZE as u64);
        self
    }

    /// How many bytes there may be, whatever the field says.
    pub(crate) fn bytes(&self) -> u64 {
        self.max_bytes.min(MAX_SNAPSHOT_SIZE as u64)
    }

    /// Sets [`files`](Self::files).
    #[must_use]
    pub fn with_files(mut self, files: bool) -> Self {
        self.files = files;
        self
    }
}

impl PythonStateSnapshot {
    pub(crate) fn new(data: Vec<u8>, runtime: [u8; 32]) -> Self {
        let metadata = SnapshotMetadata::now(data.len(), runtime);
        Self { data, files: Vec::new(), metadata }
    }

    /// The same with files, which are kept as they are: whoever restores has to
    /// make something of them, and to expect anything.
    #[must_use]
    pub fn with_files(mut self, files: Vec<u8>) -> Self {
        self.files = files;
        self
    }

    /// The files that go with it, if any do.
    pub fn files(&self) -> Option<&[u8]> {
        Some(&*self.files).filter(|files| !files.is_empty())
    }

    fn contents(&self) -> Contents<'_> {
        Contents { files: &self.files, data: &self.data }
    }

    /// The saved variables, in the guest's format.
    pub fn data(&self) -> &[u8] {
        &self.data
    }

    /// When and by what it was made.
    pub fn metadata(&self) -> &SnapshotMetadata {
        &self.metadata
    }

    /// Bytes of [`data`](Self::data).
    pub fn size(&self) -> usize {
        self.data.len()
    }

    /// Everything as bytes, to be kept anywhere. Whoever can write there can make
    /// a snapshot of their own: see [`to_bytes_with_key`](Self::to_bytes_with_key).
    pub fn to_bytes(&self) -> Vec<u8> {
        envelope::write(Kind::State, &self.metadata, self.contents(), None)
    }

    /// As [`to_bytes`](Self::to_bytes), with a tag that only who has the key can
    /// make.
    pub fn to_bytes_with_key(&self, key: &[u8; 32]) -> Vec<u8> {
        envelope::write(Kind::State, &self.metadata, self.contents(), Some(key))
    }

    /// Reads what [`to_bytes`](Self::to_bytes) wrote. All of it is checked.
    ///
    /// # Errors
    /// [`SnapshotError`] says what is wrong with the bytes.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, SnapshotError> {
        Self::read(bytes, None)
    }

    /// Reads what [`to_bytes_with_key`](Self::to_bytes_with_key) wrote with this
    /// key, and nothing else.
    ///
    /// # Errors
    /// As [`from_bytes`](Self::from_bytes); [`SnapshotError::Key`] without the
    /// right tag.
    pub fn from_bytes_with_key(bytes: &[u8], key: &[u8; 32]) -> Result<Self, SnapshotError> {
        Self::read(bytes, Some(key))
    }

    fn read(bytes: &[u8], key: Option<&[u8; 32]>) -> Result<Self, SnapshotError> {
        let limit = MAX_SNAPSHOT_SIZE as u64;
        let (metadata, contents) = envelope::read(Kind::State, bytes, limit, key)?;
        let Contents { files, data } = contents;
        Ok(Self { data: data.to_vec(), files: files.to_vec(), metadata })
    }

    pub(crate) fn check(&self) -> Result<(), SnapshotError> {
        envelope::check_python(&self.metadata.python_version)
    }
}

impl fmt::Debug for PythonStateSnapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PythonStateSnapshot")
            .field("metadata", &self.metadata)
            .finish_non_exhaustive()
    }
}
