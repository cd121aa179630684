use std::io;

/// Why a file operation failed: what a guest sees as an `OSError`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum FsError {
    /// Nothing has that name.
    #[error("no such file or directory")]
    NoEntry,
    /// The name is taken.
    #[error("it exists already")]
    Exists,
    /// A directory is needed, and this is none.
    #[error("not a directory")]
    NotDirectory,
    /// This is a directory, and something else is needed.
    #[error("it is a directory")]
    IsDirectory,
    /// A directory with entries cannot be removed or replaced.
    #[error("the directory is not empty")]
    NotEmpty,
    /// An argument makes no sense.
    #[error("invalid argument")]
    Invalid,
    /// A quota of bytes or files is used up, or the disk is full.
    #[error("no space left within the limits")]
    NoSpace,
    /// No file can be that large.
    #[error("the file would be too large")]
    TooLarge,
    /// A name or a path is longer than allowed.
    #[error("the name or path is too long")]
    NameTooLong,
    /// Too many symbolic links follow each other.
    #[error("too many symbolic links")]
    Loop,
    /// A file has as many hard links as there can be.
    #[error("too many links")]
    TooManyLinks,
    /// What is mounted here is read-only.
    #[error("read-only file system")]
    ReadOnly,
    /// The policy forbids it: a path that leads out of a host directory, a
    /// device, a right that the mount does not give.
    #[error("operation not permitted")]
    NotPermitted,
    /// The host's own permissions forbid it.
    #[error("permission denied")]
    Access,
    /// The two paths are on different mounts.
    #[error("the paths are on different mounts")]
    CrossDevice,
    /// Something is mounted there, or the host uses it.
    #[error("it is in use")]
    Busy,
    /// Another program has locked it.
    #[error("another program has locked it")]
    WouldBlock,
    /// The handle is not open, or not for this.
    #[error("bad file descriptor")]
    BadDescriptor,
    /// Too many files are open.
    #[error("too many open files")]
    TooManyOpen,
    /// This place cannot do that.
    #[error("not supported here")]
    Unsupported,
    /// A name on the host is no UTF-8 text.
    #[error("the name is not UTF-8 text")]
    IllegalName,
    /// The host failed in a way that has no better name.
    #[error("input/output error")]
    Io,
}

/// The result of a file operation.
pub type FsResult<T> = Result<T, FsError>;

impl From<&io::Error> for FsError {
    fn from(error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::NotFound => Self::NoEntry,
            io::ErrorKind::AlreadyExists => Self::Exists,
            io::ErrorKind::NotADirectory => Self::NotDirectory,
            io::ErrorKind::IsADirectory => Self::IsDirectory,
            io::ErrorKind::DirectoryNotEmpty => Self::NotEmpty,
            io::ErrorKind::InvalidInput => Self::Invalid,
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::NoSpace,
            io::ErrorKind::FileTooLarge => Self::TooLarge,
            io::ErrorKind::InvalidFilename => Self::NameTooLong,
            io::ErrorKind::TooManyLinks => Self::TooManyLinks,
            io::ErrorKind::ReadOnlyFilesystem => Self::ReadOnly,
            io::ErrorKind::CrossesDevices => Self::CrossDevice,
            io::ErrorKind::ResourceBusy | io::ErrorKind::ExecutableFileBusy => Self::Busy,
            io::ErrorKind::Unsupported => Self::Unsupported,
            // The host's own refusal has a number; that of cap-std, for a path
            // that leads out, has none.
            io::ErrorKind::PermissionDenied if error.raw_os_error().is_none() => Self::NotPermitted,
            io::ErrorKind::PermissionDenied => Self::Access,
            _ => by_number(error),
        }
    }
}

/// Errors that have no stable name in the standard library.
#[cfg(unix)]
fn by_number(error: &io::Error) -> FsError {
    match error.raw_os_error() {
        Some(40) if cfg!(target_os = "linux") => FsError::Loop,
        Some(62) if cfg!(target_vendor = "apple") => FsError::Loop,
        Some(24) => FsError::TooManyOpen,
        _ => FsError::Io,
    }
}

#[cfg(not(unix))]
fn by_number(_error: &io::Error) -> FsError {
    FsError::Io
}

impl From<io::Error> for FsError {
    fn from(error: io::Error) -> Self {
        Self::from(&error)
    }
}

/// What the host asked of a storage, and why it could not be.
#[derive(Debug, thiserror::Error)]
#[error("cannot {action} {path:?} in the storage")]
pub struct StorageError {
    /// What was tried, as in "read".
    pub action: &'static str,
    /// The path it was tried with.
    pub path: String,
    /// Why it failed.
    #[source]
    pub reason: FsError,
}

/// Why a set of mounts cannot be.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The guest sees absolute paths only.
    #[error("the guest path {0:?} must be absolute, as in \"/data\"")]
    Relative(String),
    /// A guest path that is no plain path.
    #[error("the guest path {path:?} cannot be mounted: {reason}")]
    BadPath {
        /// The guest path.
        path: String,
        /// What is wrong with it.
        reason: FsError,
    },
    /// `..` in a guest path.
    #[error("the guest path {0:?} holds \"..\": write where the mount shall be")]
    Upwards(String),
    /// Two mounts at one place.
    #[error("two mounts share the guest path {0:?}")]
    Overlap(String),
    /// A mount below a single file.
    #[error("the mount {inner:?} lies below {outer:?}, which is a single file")]
    BelowFile {
        /// The mount that is a file.
        outer: String,
        /// The mount that would be below it.
        inner: String,
    },
    /// A host path that is not there or cannot be opened.
    #[error("the host path {host:?} of the mount {guest:?} cannot be opened")]
    Host {
        /// The path on the host.
        host: std::path::PathBuf,
        /// Where it was to be mounted.
        guest: String,
        /// What the host says.
        #[source]
        source: io::Error,
    },
    /// A host path that is neither a directory nor a regular file.
    #[error("the host path {host:?} of the mount {guest:?} is neither a directory nor a file")]
    NoFile {
        /// The path on the host.
        host: std::path::PathBuf,
        /// Where it was to be mounted.
        guest: String,
    },
    /// Permissions that contradict each other.
    #[error("the permissions of the mount {guest:?} cannot be: {why}")]
    Permissions {
        /// The mount.
        guest: String,
        /// What contradicts what.
        why: &'static str,
    },
}
