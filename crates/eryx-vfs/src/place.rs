//! Places in the tree.

use crate::storage::NodeId;
use crate::{FsError, FsResult};
use std::sync::Arc;

/// A place in the tree.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    pub(crate) mount: usize,
    pub(crate) node: Node,
    /// The point of the mount table that this is, if it is one.
    pub(crate) point: Option<usize>,
    /// The directory that `..` leads to; none for the root.
    pub(crate) above: Option<Arc<Place>>,
}

/// What lies at a place.
#[derive(Debug, Clone)]
pub(crate) enum Node {
    /// A node of the mounted storage.
    Memory(NodeId),
    /// A path within the mounted host directory; "" is the directory itself.
    /// Whether something is there, only the host knows.
    Real(String),
    /// A directory that only exists because something is mounted below it.
    Nowhere,
}

/// What a path names.
#[derive(Debug)]
pub(crate) struct Target {
    /// The directory of the last name.
    pub(crate) dir: Arc<Place>,
    /// The last name; none if the path ends in `..` or is the root. In a host
    /// directory it may be several names.
    pub(crate) name: Option<String>,
    /// What is there. In a host directory always given.
    pub(crate) place: Option<Place>,
    /// Whether it has to be a directory.
    pub(crate) directory: bool,
}

/// Runs what may block away from the executor.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> FsResult<T> + Send + 'static,
) -> FsResult<T> {
    tokio::task::spawn_blocking(work).await.unwrap_or(Err(FsError::Io))
}
