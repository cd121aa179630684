//! Files for WebAssembly guests.
mod error;
mod path;
mod perms;
mod storage;
pub use error::{ConfigError, FsError, FsResult, StorageError};
pub use perms::{DirPerms, FilePerms};
pub use storage::{
    ArcStorage, DirEntry, FileKind, InMemoryStorage, Metadata, NodeId, StorageFiles, StorageLimits,
    StorageSnapshot, StorageUsage, VfsStorage,
};
