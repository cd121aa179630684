use std::fmt;

/// Why a session's state could not be saved or restored.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SnapshotError {
    /// Variables hold what cannot be saved. Delete them, or have them left out.
    #[error("cannot save {}", Listed(.0))]
    Unsaveable(Vec<Omission>),
    /// It would be larger than it may.
    #[error("the snapshot would have {size} bytes or more; {limit} may be")]
    TooLarge {
        /// Bytes.
        size: u64,
        /// Bytes.
        limit: u64,
    },
    /// The bytes are something else.
    #[error("these bytes are no snapshot of eryx's")]
    Foreign,
    /// Bytes are missing at the end.
    #[error("the snapshot is cut: it has {found} bytes of {expected}")]
    Truncated {
        /// Bytes.
        expected: u64,
        /// Bytes.
        found: u64,
    },
    /// The bytes were changed since.
    #[error("the snapshot is damaged: its hash does not fit its content")]
    Damaged,
    /// It is a snapshot of the other kind.
    #[error("the snapshot is {found}, where {expected} is wanted")]
    Kind {
        /// What it is.
        found: &'static str,
        /// What was to be read.
        expected: &'static str,
    },
    /// An earlier version of eryx made it, which kept snapshots otherwise.
    #[error(
        "the snapshot has the old format {found}; this version of eryx reads the format {known}"
    )]
    Older {
        /// Its format.
        found: u16,
        /// The one that is read.
        known: u16,
    },
    /// A later version of eryx made it.
    #[error("the snapshot has the format {found}; this version of eryx reads the format {known}")]
    Newer {
        /// Its format.
        found: u16,
        /// The one that is read.
        known: u16,
    },
    /// It was tagged with another key, or with none, or needs one.
    #[error("{0}")]
    Key(&'static str),
    /// It is of another Python.
    #[error("the snapshot is of Python {found}; this runtime is Python {expected}")]
    Python {
        /// The snapshot's.
        found: String,
        /// The runtime's.
        expected: &'static str,
    },
    /// It is an image of another runtime.
    #[error(
        "the snapshot is an image of another runtime: it can be restored only by the runtime that \
         it was made with"
    )]
    Runtime,
    /// The interpreter would need more memory than it may have.
    #[error("the snapshot needs {size} bytes of memory; the limit is {limit}")]
    Memory {
        /// Bytes.
        size: u64,
        /// Bytes.
        limit: u64,
    },
    /// The files that go with it are damaged, or more than the session may have; or the
    /// session has none that could.
    #[error("the files that are to go with the snapshot cannot be saved or restored: {0}")]
    Files(String),
    /// The interpreter could not read it. Nothing was changed.
    #[error("the interpreter could not restore the snapshot: {}", .0.escape_debug())]
    Unusable(String),
}

/// A variable that is not in a snapshot. All texts are the program's own.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Omission {
    /// Its name.
    pub name: String,
    /// Its class.
    pub type_name: String,
    /// Why.
    pub reason: String,
}

struct Listed<'a>(&'a [Omission]);

impl fmt::Display for Listed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, one) in self.0.iter().enumerate() {
            let between = if number == 0 { "" } else { "; " };
            let Omission { name, type_name, reason } = one;
            let (name, type_name, reason) =
                (name.escape_debug(), type_name.escape_debug(), reason.escape_debug());
            write!(f, "{between}{name}, a {type_name} ({reason})")?;
        }
        Ok(())
    }
}
