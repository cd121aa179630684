use crate::real::Identity;
use crate::storage::{FileKind, Metadata, NodeId};
use std::hash::{BuildHasher, RandomState};
use std::sync::OnceLock;

/// What is known of a file, and which it is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Known {
    pub(crate) metadata: Metadata,
    pub(crate) id: Id,
}

/// Tells a file from all others of the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Id {
    Memory { mount: usize, node: NodeId },
    Real(Identity),
    Nowhere { point: Option<usize> },
}

impl Id {
    pub(crate) fn memory(mount: usize, node: NodeId) -> Self {
        Self::Memory { mount, node }
    }

    pub(crate) fn real(identity: Identity) -> Self {
        Self::Real(identity)
    }

    /// A number for the guest. The host's own are not shown: theirs is hashed
    /// under a key that changes with each process.
    pub(crate) fn number(&self) -> u64 {
        static KEY: OnceLock<RandomState> = OnceLock::new();
        match self {
            // At most 48 bits of nodes, so that they differ between mounts.
            Self::Memory { mount, node } => {
                let mount = u64::try_from(*mount).unwrap_or(0).wrapping_add(1);
                (mount << 48) ^ node.number
            }
            Self::Real(identity) => KEY.get_or_init(RandomState::new).hash_one(identity) | 1 << 63,
            Self::Nowhere { point } => {
                let point = point.and_then(|point| u64::try_from(point).ok());
                (1 << 62) | point.unwrap_or(0)
            }
        }
    }
}

/// A directory that only leads to mounts.
pub(crate) fn nowhere(point: Option<usize>) -> Known {
    let metadata = Metadata {
        kind: FileKind::Directory,
        size: 0,
        links: 1,
        accessed: None,
        modified: None,
        changed: None,
    };
    Known { metadata, id: Id::Nowhere { point } }
}
