use crate::{DirPerms, FilePerms};
use std::path::{Path, PathBuf};

/// What may be written to a volume, in bytes.
pub(crate) const WRITE_QUOTA: u64 = 256 << 20;

/// A directory or a single file of the host, shown to the guest.
///
/// ```
/// use eryx_vfs::VolumeMount;
///
/// let models = VolumeMount::read_only("/srv/models", "/models");
/// let out = VolumeMount::new("/srv/out", "/out").with_write_quota(10 << 20);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VolumeMount {
    pub(crate) host_path: PathBuf,
    pub(crate) guest_path: String,
    pub(crate) dir_perms: DirPerms,
    pub(crate) file_perms: FilePerms,
    pub(crate) write_quota: u64,
}

impl VolumeMount {
    /// Shows `host_path` at `guest_path`, for reading and writing.
    pub fn new(host_path: impl Into<PathBuf>, guest_path: impl Into<String>) -> Self {
        Self {
            host_path: host_path.into(),
            guest_path: guest_path.into(),
            dir_perms: DirPerms::all(),
            file_perms: FilePerms::all(),
            write_quota: WRITE_QUOTA,
        }
    }

    /// Shows `host_path` at `guest_path`; nothing of it can be changed.
    pub fn read_only(host_path: impl Into<PathBuf>, guest_path: impl Into<String>) -> Self {
        Self::new(host_path, guest_path)
            .with_dir_perms(DirPerms::READ)
            .with_file_perms(FilePerms::READ)
    }

    /// Sets what may be done with directories.
    #[must_use]
    pub fn with_dir_perms(mut self, perms: DirPerms) -> Self {
        self.dir_perms = perms;
        self
    }

    /// Sets what may be done with files.
    #[must_use]
    pub fn with_file_perms(mut self, perms: FilePerms) -> Self {
        self.file_perms = perms;
        self
    }

    /// Sets how many bytes an interpreter may write, in all: one run, or a session
    /// until it is reset. A new name counts as 4,096. 256 MiB.
    #[must_use]
    pub fn with_write_quota(mut self, bytes: u64) -> Self {
        self.write_quota = bytes;
        self
    }

    /// What may be done with directories.
    pub fn dir_perms(&self) -> DirPerms {
        self.dir_perms
    }

    /// What may be done with files.
    pub fn file_perms(&self) -> FilePerms {
        self.file_perms
    }

    /// How many bytes an interpreter may write.
    pub fn write_quota(&self) -> u64 {
        self.write_quota
    }

    /// The path on the host.
    pub fn host_path(&self) -> &Path {
        &self.host_path
    }

    /// Where the guest sees it.
    pub fn guest_path(&self) -> &str {
        &self.guest_path
    }
}

/// Where a storage and volumes are mounted.
///
/// | setting | default |
/// |---|---|
/// | the storage's place | `/data` |
/// | what may be done in it | everything |
/// | volumes | none |
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VfsConfig {
    pub(crate) mount_path: String,
    pub(crate) dir_perms: DirPerms,
    pub(crate) file_perms: FilePerms,
    pub(crate) volumes: Vec<VolumeMount>,
}

impl VfsConfig {
    /// Mounts the storage at `mount_path`, and nothing else.
    pub fn new(mount_path: impl Into<String>) -> Self {
        Self {
            mount_path: mount_path.into(),
            dir_perms: DirPerms::all(),
            file_perms: FilePerms::all(),
            volumes: Vec::new(),
        }
    }

    /// Sets what may be done with the storage's directories.
    #[must_use]
    pub fn with_dir_perms(mut self, perms: DirPerms) -> Self {
        self.dir_perms = perms;
        self
    }

    /// Sets what may be done with the storage's files.
    #[must_use]
    pub fn with_file_perms(mut self, perms: FilePerms) -> Self {
        self.file_perms = perms;
        self
    }

    /// Adds a volume.
    #[must_use]
    pub fn with_volume(mut self, volume: VolumeMount) -> Self {
        self.volumes.push(volume);
        self
    }

    /// Adds volumes.
    #[must_use]
    pub fn with_volumes(mut self, volumes: impl IntoIterator<Item = VolumeMount>) -> Self {
        self.volumes.extend(volumes);
        self
    }

    /// Where the storage is mounted.
    pub fn mount_path(&self) -> &str {
        &self.mount_path
    }

    /// What may be done with the storage's directories.
    pub fn dir_perms(&self) -> DirPerms {
        self.dir_perms
    }

    /// What may be done with the storage's files.
    pub fn file_perms(&self) -> FilePerms {
        self.file_perms
    }

    /// The volumes.
    pub fn volumes(&self) -> &[VolumeMount] {
        &self.volumes
    }
}

impl Default for VfsConfig {
    fn default() -> Self {
        Self::new("/data")
    }
}
