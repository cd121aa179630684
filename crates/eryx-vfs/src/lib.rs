//! Files for WebAssembly guests: one tree from memory and from the host.
//!
//! ```text
//!  guest ── wasi:filesystem 0.2 ── HybridVfsCtx ─┬─ /        scratch, in memory
//!                                                ├─ /data    VfsStorage: InMemoryStorage
//!                                                └─ /models  RealDir: a host directory
//! ```
//!
//! [`MountTable`] says what is mounted where; [`HybridVfsCtx`] is what one store
//! holds; [`VfsView`] lends it and [`add_to_linker`] links it. Nothing here knows
//! of Python. The host reaches the same files through [`StorageFiles`]:
//!
//! ```
//! use eryx_vfs::{ArcStorage, HybridVfsCtx, InMemoryStorage, StorageFiles, VfsConfig, VolumeMount};
//!
//! let host = std::env::temp_dir();
//! let storage = ArcStorage::new(InMemoryStorage::new());
//! storage.write("/in.txt", "what the guest shall read")?;
//! let config = VfsConfig::default().with_volume(VolumeMount::read_only(host, "/host"));
//! let files = HybridVfsCtx::with_config(storage, &config)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Every path, length and name of the guest is checked before it is used, and
//! what would take memory or disk is charged against a limit before it does.

mod clock;
mod ctx;
mod descriptor;
mod error;
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
#[expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "what is found is told by panicking"
)]
pub mod fuzzing;
mod host;
mod known;
mod listing;
mod locks;
mod mounts;
mod open;
mod open_file;
mod ops;
mod path;
mod perms;
mod place;
mod real;
mod storage;
mod stream;
mod view;
mod volume;
mod walk;

pub use clock::FileClock;
pub use ctx::HybridVfsCtx;
pub use error::{ConfigError, FsError, FsResult, StorageError};
pub use mounts::{MountTable, MountTableBuilder};
pub use perms::{DirPerms, FilePerms};
pub use real::RealDir;
#[doc(hidden)]
pub use storage::for_each_entry;
pub use storage::{
    ArcStorage, DirEntry, Exchanged, FileKind, InMemoryStorage, Metadata, NodeId, OneFile,
    StorageFiles, StorageLimits, StorageSnapshot, StorageUsage, VfsStorage,
};
pub use view::{VfsCtxView, VfsView, add_to_linker};
pub use volume::{VfsConfig, VolumeMount};
