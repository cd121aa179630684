//! The files of a sandbox; with the feature `vfs` there are some.

#[cfg(not(feature = "vfs"))]
mod disabled;
#[cfg(feature = "vfs")]
mod enabled;

#[cfg(not(feature = "vfs"))]
pub(crate) use disabled::{Files, FilesSetup, Mounts, OwnFiles, link};
#[cfg(feature = "vfs")]
pub(crate) use enabled::{Files, FilesSetup, Mounts, OwnFiles, link};
